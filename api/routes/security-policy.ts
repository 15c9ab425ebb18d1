import { z } from 'zod';
import { hasFactor } from '../../models/tenant/second-factor.ts';
import {
  asSecurityPolicy,
  type StoredPolicy,
  securityPolicyOf,
  securityPolicyStatement,
  storeSecurityPolicy,
} from '../../models/tenant/security-policy.ts';
import { Refusal } from '../../policies/refusal.ts';
import { bounds } from '../../policies/security-policy.ts';
import { etag } from '../present.ts';
import { requireVersion } from '../route.ts';
import { changesNothing, changing } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Security policy';

const within = ({ min, max }: { min: number; max: number }, what: string) =>
  z
    .int()
    .min(min, `must be at least ${min} ${what}`)
    .max(max, `must be at most ${max} ${what}, which is what the platform allows`);

const domain = z
  .string()
  .trim()
  .toLowerCase()
  .max(253)
  .regex(/^(?=.*\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'must be a domain name, for example example.com');

const fields = {
  sessionHours: within(bounds.sessionHours, 'hours'),
  idleMinutes: within(bounds.idleMinutes, 'minutes'),
  requireSecondFactor: z.boolean(),
  passwordLengthMin: within(
    { min: bounds.passwordLength.min, max: bounds.passwordLength.strictest },
    'characters',
  ),
  allowedEmailDomains: z
    .array(domain)
    .max(bounds.allowedEmailDomainsMax, `must have at most ${bounds.allowedEmailDomainsMax} domains`)
    .refine((all) => new Set(all).size === all.length, 'must not name a domain twice')
    .meta({ description: 'Whose addresses may be invited; none means any.' }),
};

const shown = z.object({ ...fields, version: z.int() }).meta({ id: 'SecurityPolicy' });
const read = { tag, path: '/security-policy', answers: { 200: shown } } as const;

export const readSecurityPolicy = tenantRead({
  ...read,
  method: 'get',
  summary: 'How strict the organisation is about signing in',
  permit: ['read', 'SecurityPolicy'],
  load: ({ tenantId }) => securityPolicyStatement(tenantId),
  handle: ({ rows }) => answered(asSecurityPolicy(rows)),
});

export const changeSecurityPolicy = tenantWrite({
  ...read,
  method: 'patch',
  summary:
    'Be stricter than the platform, or less strict than before; holds for sessions that are there as well',
  permit: ['update', 'SecurityPolicy'],
  inTurn: true,
  body: z.strictObject(fields).partial().refine(changing, changesNothing),
  handle: async ({ tenant, body, principal, ...call }) => {
    const { version, ...before } = await securityPolicyOf(tenant.sql);
    requireVersion(call, version);
    const after = {
      sessionHours: body.sessionHours ?? before.sessionHours,
      idleMinutes: body.idleMinutes ?? before.idleMinutes,
      requireSecondFactor: body.requireSecondFactor ?? before.requireSecondFactor,
      passwordLengthMin: body.passwordLengthMin ?? before.passwordLengthMin,
      allowedEmailDomains: body.allowedEmailDomains ?? before.allowedEmailDomains,
    };
    if (
      after.requireSecondFactor &&
      !before.requireSecondFactor &&
      !(await hasFactor(tenant.sql, principal.id))
    )
      throw lockedOut();
    const stored = { ...after, version: version + 1 };
    await storeSecurityPolicy(tenant.sql, stored);
    return { ...answered(stored), audit: { before, after } };
  },
});

const answered = (policy: StoredPolicy) => ({ status: 200, body: policy, headers: etag(policy.version) });

/** Whoever demands a second factor of all would else be the first to stand before a closed door. */
function lockedOut(): Refusal {
  const detail = 'needs a second factor of your own first: POST /v1/me/second-factor, signed in as a person';
  return new Refusal('conflict', `Asking everybody for a second factor ${detail}.`, {
    errors: [{ pointer: '/requireSecondFactor', code: 'locks-out', detail }],
  });
}
