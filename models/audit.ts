import type { Principal } from '../policies/principal.ts';
import type { Row } from './batch.ts';
import { newId } from './ids.ts';
import { type Keyring, keyringWithin } from './keyring.ts';
import type { Sql } from './scope.ts';
import { digest } from './secrets.ts';

/**
 * The only insert into the audit trails, always in the transaction of the change it tells of: if the trail cannot
 * be written, the change does not happen. The tenant's role may insert and read, never change or remove.
 */
export type AuditEvent = {
  actor: Principal | { kind: 'anonymous' };
  action: string;
  subject: { type: string; id?: string | undefined };
  outcome: 'asked' | 'done' | 'refused' | 'failed' | 'cancelled';
  /** The rule that allowed or refused it, in words. */
  rule?: string | undefined;
  reason?: string | undefined;
  requestId?: string | undefined;
  operationId?: string | undefined;
  source?: string | undefined;
  /** Digests of these are kept; of people and rights, in the tenant's own trail, the whole. */
  before?: object | undefined;
  after?: object | undefined;
  /** Never secrets, and in the platform's trail never personal data. */
  details?: Record<string, unknown> | undefined;
};

const columns = `id, actor, action, subject_type, subject_id, outcome, rule, reason, request_id, operation_id, source,
  before_digest, after_digest, details`;
const slots = '$1, $2::jsonb, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb';

/** Changes of these can be read back as they were; what else changes may be large, or not the trail's to keep. */
const keptWhole = [
  'User',
  'Password',
  'SecondFactor',
  'Session',
  'Invitation',
  'Role',
  'DutySeparation',
  'ApiKey',
  'SecurityPolicy',
  'LlmProvider',
];

const sealedDetails = 'audit_events.sealed_details';

/** What an event tells beyond its columns, with what was before and after where that is kept whole. */
export function detailsOf(keyring: Keyring, { id, details, sealed_details: sealed }: Row): unknown {
  if (!Buffer.isBuffer(sealed)) return details;
  return {
    ...(details as object),
    ...(JSON.parse(keyring.open(sealedDetails, String(id), sealed)) as object),
  };
}

/** Into the trail of the tenant one is in. */
export async function auditInTenant(sql: Sql, event: AuditEvent): Promise<void> {
  const { before, after } = event;
  const whole = keptWhole.includes(event.subject.type) && (before || after);
  const values = valuesOf(event);
  if (whole) {
    const keyring = await keyringWithin(sql);
    const sealed = keyring.seal(sealedDetails, String(values[0]), JSON.stringify({ before, after }));
    // A plain digest of what a person is would let anybody try guesses against it.
    const digests = [before, after].map((each) =>
      each ? keyring.blindIndex(sealedDetails, JSON.stringify(each)) : null,
    );
    await sql(`INSERT INTO audit_events (${columns}, sealed_details) VALUES (${slots}, $15)`, [
      ...values.slice(0, 11),
      ...digests,
      values[13],
      sealed,
    ]);
  } else await sql(`INSERT INTO audit_events (${columns}) VALUES (${slots})`, values);
}

/** Into the platform's trail, about a tenant or about no one in particular. */
export async function auditInSystem(sql: Sql, event: AuditEvent, tenantId?: string): Promise<void> {
  await sql(`INSERT INTO audit_events (${columns}, tenant_id) VALUES (${slots}, $15)`, [
    ...valuesOf(event),
    tenantId ?? null,
  ]);
}

function valuesOf(event: AuditEvent): unknown[] {
  return [
    newId('evt'),
    JSON.stringify(event.actor),
    event.action,
    event.subject.type,
    event.subject.id ?? null,
    event.outcome,
    keepable(event.rule),
    keepable(event.reason),
    event.requestId ?? null,
    event.operationId ?? null,
    event.source ?? null,
    event.before ? digest(JSON.stringify(event.before)) : null,
    event.after ? digest(JSON.stringify(event.after)) : null,
    JSON.stringify(event.details ?? {}, (_, value) => (typeof value === 'string' ? keepable(value) : value)),
  ];
}

/** Postgres keeps no NUL and no half of a character; an event is rather kept with a mark in their place than not. */
function keepable(text: string | undefined): string | null {
  return text?.toWellFormed().replaceAll('\0', '\ufffd') ?? null;
}
