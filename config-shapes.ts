import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/** What values in the environment look like, by shape; config.ts says which there are, and reads them. */
const cell = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be lower-case letters, digits and hyphens'),
  url: z.url({
    protocol: /^postgres(ql)?$/,
    error: 'must be a postgres:// URL of a role that may create roles and schemas',
  }),
  capacity: z.int().min(1).max(5000).default(2000),
});

const region = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,15}$/, 'must be lower-case letters, digits and hyphens'),
  group: z.string().min(1),
  temporalNamespace: z.string().min(1),
  publicUrl: z.url(),
  cells: z.array(cell).min(1),
});

export type CellConfig = z.infer<typeof cell>;
export type RegionConfig = z.infer<typeof region>;

export const regions = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({
        code: 'custom',
        message: 'must be JSON: a list of regions, see docs/configuration.md',
      });
      return z.NEVER;
    }
  })
  .pipe(z.array(region).min(1));

export const names = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);
/** No range of everybody: then anyone could say what host and address they come from. */
export const cidrs = names.refine(
  (all) => all.every((each) => ipaddr.isValidCIDR(each) && !each.endsWith('/0')),
  {
    error:
      'must be CIDRs such as 10.0.0.0/8; a single address is 192.0.2.7/32, and /0 would believe everybody',
  },
);
export const origins = names.refine(
  (all) => all.every((each) => URL.canParse(each) && new URL(each).origin === each),
  {
    error:
      'must be origins such as https://temporal.example.com: a scheme, a host, a port if it is not the usual one',
  },
);
/** Checked here, read in policies/egress.ts. */
export const targets = names.refine(
  (all) =>
    all.every((each) => ipaddr.isValidCIDR(each) || /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+):\d{1,5}$/i.test(each)),
  { error: 'must be host:port, such as smtp.internal:587, or CIDRs, such as 10.1.2.0/24' },
);
export const port = z.coerce.number().int().min(0).max(65535);
export const key = z
  .string()
  .transform((text) => Buffer.from(text.trim(), 'base64'))
  .refine(
    (bytes) => bytes.length === 32,
    'must be 32 bytes in base64, for example from: openssl rand -base64 32',
  );

export const keys = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter(Boolean))
  .pipe(z.array(key));
export const kmsArn = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)\/[\w/-]+$/;
