import { z } from 'zod';
import { egressOf } from '../activities/egress/egress.ts';
import { egressRulesOf } from '../activities/egress/rules.ts';
import { checkIntegration } from '../activities/integration/check.ts';
import type { Connection } from '../activities/integration/connection.ts';
import type { Row } from '../models/batch.ts';
import type { Place } from '../models/scope.ts';
import type { Found } from '../models/tenant/integration.ts';
import {
  credentials,
  failedVerdict,
  type IntegrationKind,
  integrationKinds,
  stages,
  type Targets,
  targets,
  warnAtDays,
} from '../policies/integration.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { pointerTo } from './body.ts';
import { faultsOf } from './faults.ts';
import { iso } from './present.ts';
import { id, line, moment } from './shapes.ts';
import { throttleChecks } from './throttle.ts';

/** What routes about integrations share: shapes, what is shown, and trying one before it is saved. */
const secretGiven = z
  .string()
  .min(1, 'must not be empty')
  .max(8_000, 'must have at most 8000 characters')
  .meta({
    description:
      'Write-only. http: bearer token, password, header value or client secret; webhook: whsec_…; s3: secret access key; smtp: password; slack: the address of the incoming webhook.',
  });
const target = z.looseObject({}).meta({
  description: 'Where and how, by kind: docs/integrations.md lists the fields. Nothing in it may be secret.',
});
const expiresAt = moment
  .nullable()
  .meta({ description: 'When the credential ends, if it does: warned of 30, 14, 7 and 1 days before.' });

export const written = z.strictObject({
  name: line(100),
  kind: z.enum(integrationKinds),
  target: target.default({}),
  credential: secretGiven,
  expiresAt: expiresAt.default(null),
});
export const changeable = z
  .strictObject({ name: line(100), target, credential: secretGiven, expiresAt })
  .partial();
export const rotated = z.strictObject({
  credential: secretGiven,
  expiresAt: expiresAt.default(null),
  overlapSeconds: z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(86_400)
    .meta({
      description: 'Of webhooks: for how long the secret before signs beside the new one.',
    }),
});

export const validate = z.stringbool().default(true).meta({
  description:
    '`false` saves without trying it: the integration is `unverified`, and is not used until a check has passed.',
});

export const verdict = z.object({
  stage: z.enum(stages),
  outcome: z.enum(['passed', 'failed', 'not-tried']),
  detail: z.string().optional(),
});

export const integration = z
  .object({
    id: id('int'),
    kind: z.enum(integrationKinds),
    name: z.string(),
    target: z.looseObject({}),
    credential: z.object({
      lastFour: z.string().meta({ description: 'Empty for secrets too short to tell a part of.' }),
      since: moment,
      expiresAt: moment.nullable(),
      overlapUntil: moment.nullable(),
    }),
    state: z.enum(['active', 'unverified', 'failing']),
    failingSince: moment.nullable(),
    breaker: z.object({ state: z.enum(['closed', 'half-open', 'open']), since: moment }),
    lastCheck: z.object({ at: moment, verdicts: z.array(verdict) }).nullable(),
    certificateUntil: moment.nullable(),
    warnings: z.array(z.string()),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'Integration' });

export function presentIntegration(row: Row) {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    target: row.target,
    credential: {
      lastFour: row.credential_hint,
      since: iso(row.credential_since),
      expiresAt: iso(row.expires_at),
      overlapUntil: iso(row.previous_until),
    },
    state: row.state,
    failingSince: iso(row.failing_since),
    breaker: { state: row.breaker, since: iso(row.breaker_since) },
    lastCheck: row.checked_at ? { at: iso(row.checked_at), verdicts: row.checks } : null,
    certificateUntil: iso(row.certificate_until),
    warnings: [
      ...warningOf('The credential', iso(row.expires_at)),
      ...warningOf('The certificate of the other side', iso(row.certificate_until)),
    ],
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

function warningOf(what: string, until: string | null): string[] {
  if (!until) return [];
  const days = (Date.parse(until) - Date.now()) / 86_400_000;
  if (days > Math.max(...warnAtDays)) return [];
  return [days <= 0 ? `${what} has ended.` : `${what} ends on ${until.slice(0, 10)}.`];
}

/** What was given for the kind, or every fault of it. */
export function parseGiven(
  kind: IntegrationKind,
  given: { target: unknown; credential?: string | undefined },
): Targets[IntegrationKind] {
  const where = targets[kind].safeParse(given.target);
  const secret = given.credential === undefined ? undefined : credentials[kind].safeParse(given.credential);
  const errors = [
    ...(where.success ? [] : faultsOf(where.error, (path) => pointerTo(['target', ...path]))),
    ...(secret && !secret.success ? faultsOf(secret.error, () => '/credential') : []),
  ];
  if (!where.success || errors.length > 0)
    throw new Refusal('invalid-request', `Some of this is not as ${kind} needs it; each fault is listed.`, {
      errors,
    });
  return where.data;
}

export type Trial = {
  place: Place;
  principal: Principal;
  requestId: string;
  kind: IntegrationKind;
  target: Targets[IntegrationKind];
  credentials: Connection['credentials'];
  id?: string;
};

const limits = { totalMs: 10_000, idleMs: 8_000, responseBytesMax: 256 * 1024 };

/** Tries what is about to be saved; nothing of what was answered is told but how far it came. */
export async function tried(trial: Trial): Promise<NonNullable<Found>> {
  const { place, principal: actor, requestId, kind, target: to, credentials: secrets, id: of } = trial;
  await throttleChecks(place.tenantId);
  const subject = { type: 'Integration', ...(of !== undefined && { id: of }) } as const;
  const egress = egressOf(place, { actor, subject, requestId }, await egressRulesOf(place), { limits });
  return checkIntegration({ kind, target: to, credentials: secrets, egress });
}

/** What does not work is not saved, and the answer says at which stage it stopped. */
export function insistWorks(found: NonNullable<Found>): void {
  const failed = failedVerdict(found.verdicts);
  if (!failed) return;
  throw new Refusal('unprocessable', `This does not work, so it was not saved: ${failed.detail}`, {
    errors: [{ pointer: '/target', code: failed.stage, detail: failed.detail ?? failed.stage }],
    extra: { verdicts: found.verdicts },
  });
}

/** What was tried must still be what is changed: a secret that was meant for one address must not end up with another. */
export function insistUnchanged(row: Row, version: number): void {
  if (Number(row.version) !== version)
    throw new Refusal(
      'conflict',
      'Somebody changed it while your change was being tried; read it and try again.',
    );
}
