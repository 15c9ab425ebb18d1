import { z } from 'zod';

/** What a tenant can connect to, what has to be said of each, and what checking it can find. */
export const integrationKinds = ['http', 'webhook', 's3', 'smtp', 'slack'] as const;
export type IntegrationKind = (typeof integrationKinds)[number];

/** What the platform tells a tenant's own systems about. The data of an event are ids and words, never content. */
const webhookEvents = {
  'run.finished': 'a run has ended, in whatever way',
  'run.approval-needed': 'a run waits for somebody’s approval',
  'integration.failing': 'an integration does not work any more',
  'integration.expiring': 'a certificate or credential of an integration ends soon',
  'quota.threshold': 'so much of a limit is used that somebody wanted to know',
  'quota.resolved': 'what was told of a limit is over: its window turned, it was raised, or less is used',
  'quota.request-decided': 'a request for more of a limit was granted or refused',
  'quota.request-ended': 'a request for more of a limit is over, and what was raised is lowered again',
} as const;
export type WebhookEvent = keyof typeof webhookEvents;
/** A zod enum takes a tuple; the keys of a closed object are one. */
export const webhookEventNames = Object.keys(webhookEvents) as [WebhookEvent, ...WebhookEvent[]];

const oneLine = (max: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .regex(/^[\x20-\x7e]*$/, 'must be plain ASCII on one line');
const address = z
  .url({ protocol: /^https?$/, error: 'must be an address like https://api.example.com/v2' })
  .max(2_000, 'must have at most 2000 characters')
  .refine((text) => {
    // What is no address at all was said above.
    if (!URL.canParse(text)) return true;
    const { username, password, hash } = new URL(text);
    return username === '' && password === '' && hash === '';
  }, 'must carry no name, password or fragment; the credential has a field of its own');
const path = z
  .string()
  .max(1_000)
  .regex(/^\/[\x21-\x7e]*$/, 'must begin with / and be encoded as in an address');

const headerNames = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
/** Headers that say how a request is carried, which nobody but the transport may. */
export const carried =
  /^(host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive|cookie|proxy-.*)$/i;

const http = z
  .strictObject({
    url: address,
    auth: z.enum(['bearer', 'basic', 'header', 'oauth2']),
    username: oneLine(200).optional(),
    header: z
      .string()
      .regex(headerNames, 'must be the name of a header, like X-Api-Key')
      .refine((name) => !carried.test(name), 'is a header of the transport')
      .optional(),
    tokenUrl: address.optional(),
    clientId: oneLine(500).optional(),
    scope: oneLine(1_000).optional(),
    checkPath: path.optional(),
  })
  .superRefine((target, context) => {
    const needed = {
      bearer: [],
      basic: ['username'],
      header: ['header'],
      oauth2: ['tokenUrl', 'clientId'],
    } as const;
    for (const field of needed[target.auth])
      if (target[field] === undefined)
        context.addIssue({ code: 'custom', path: [field], message: `is needed for ${target.auth}` });
  });
const webhook = z.strictObject({
  url: address,
  events: z.array(z.enum(webhookEventNames)).min(1, 'must name at least one event').max(50),
});
const s3 = z.strictObject({
  url: address,
  region: z.string().regex(/^[a-z0-9-]{1,40}$/, 'must be a region like eu-central-1'),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  accessKeyId: oneLine(200),
  prefix: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9!_.*'()/-]*$/, 'must be a plain prefix')
    .default(''),
});
const smtp = z.strictObject({
  host: z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'must be a host name or address'),
  port: z.int().min(1).max(65_535),
  tls: z.enum(['immediate', 'starttls']),
  username: oneLine(200),
  from: z.email('must be an e-mail address'),
});
const slack = z.strictObject({});

export const targets = { http, webhook, s3, smtp, slack };
export type Targets = { [K in IntegrationKind]: z.output<(typeof targets)[K]> };

const secret = oneLine(8_000);
export const credentials: Record<IntegrationKind, z.ZodType<string>> = {
  http: secret,
  s3: secret,
  smtp: secret,
  slack: address,
  webhook: z
    .string()
    .regex(
      /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/,
      'must be whsec_ and 24 to 64 random bytes in base64, for example from: echo whsec_$(openssl rand -base64 32)',
    ),
};

/** As much of a secret as tells two apart; nothing of one so short that it would give it away. */
export const hintOf = (text: string): string => (text.length >= 16 ? text.slice(-4) : '');

/** How far a check comes, in this order. */
export const stages = ['name', 'address', 'reach', 'tls', 'auth', 'permission', 'answer'] as const;
export type Stage = (typeof stages)[number];
export type Verdict = {
  stage: Stage;
  outcome: 'passed' | 'failed' | 'not-tried';
  detail?: string | undefined;
};

const advice: Record<Stage, string> = {
  name: 'The name does not resolve; look for a typing error, or add it to public DNS.',
  address: 'The address may not be called.',
  reach: 'Nothing answers there; look whether it runs, and whether a firewall is in between.',
  tls: 'No trusted TLS connection came about; look whether its certificate is valid, for this name, from a public authority.',
  auth: 'The credential was not accepted; give a valid one.',
  permission: 'The credential is good, but not allowed to do this; widen what it may do there.',
  answer: 'What came back was no success; look into the logs of the other side.',
};

/** The verdict on every stage, told from the one that failed; `skipped` are those that could not be tried. */
export function verdictsOf(
  failed?: { stage: Stage; detail?: string | undefined },
  skipped: Stage[] = [],
): Verdict[] {
  const last = failed ? stages.indexOf(failed.stage) : stages.length;
  return stages.map((stage, at): Verdict => {
    if (at === last) return { stage, outcome: 'failed', detail: failed?.detail ?? advice[stage] };
    return { stage, outcome: at < last && !skipped.includes(stage) ? 'passed' : 'not-tried' };
  });
}

export const failedVerdict = (verdicts: Verdict[]): Verdict | undefined =>
  verdicts.find(({ outcome }) => outcome === 'failed');

/** What has to be given anew when it changes: else whoever may change the address could have the secret sent to them. */
export function destinationOf(kind: IntegrationKind, target: Targets[IntegrationKind]): string {
  if (kind === 'slack') return 'slack';
  if ('host' in target) return `${target.host}:${target.port}`.toLowerCase();
  const urls = ['url', 'tokenUrl'].map((name) => (target as Record<string, unknown>)[name]);
  return urls.flatMap((url) => (typeof url === 'string' ? new URL(url).origin : [])).join(' ');
}

export const warnAtDays = [30, 14, 7, 1];

/** The mark that has been passed, if it has not been warned of: 30, 14, 7 or 1 days before the end. */
export function warningDue(until: Date | null, warned: number | null, now: Date): number | undefined {
  if (!until) return undefined;
  const days = (until.getTime() - now.getTime()) / 86_400_000;
  const passed = warnAtDays.findLast((mark) => days <= mark);
  return passed !== undefined && (warned === null || passed < warned) ? passed : undefined;
}
