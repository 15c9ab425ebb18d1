import type { Principal } from '../policies/principal.ts';
import { newId } from './ids.ts';
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
];

/** Into the trail of the tenant one is in. */
export async function auditInTenant(sql: Sql, event: AuditEvent): Promise<void> {
  const { before, after } = event;
  const whole = keptWhole.includes(event.subject.type)
    ? { ...event, details: { ...event.details, ...(before && { before }), ...(after && { after }) } }
    : event;
  await sql(`INSERT INTO audit_events (${columns}) VALUES (${slots})`, valuesOf(whole));
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
