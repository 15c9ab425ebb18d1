import { type AuditEvent, auditInSystem, auditInTenant } from '../models/audit.ts';
import { inSystem, inTenant } from '../models/scope.ts';
import { placeOf, systemTenantId } from '../models/system/tenant.ts';
import { Refusal, type RefusalCode } from '../policies/refusal.ts';
import { refusals } from '../telemetry.ts';
import { limitingOf } from './explained-limit.ts';
import type { Known } from './principal.ts';
import type { Answer, Incoming, Permitted, Route } from './route.ts';
import { NotProven } from './sign-in.ts';
import { mismatchOf, recordMismatch } from './tenant-mismatch.ts';

/** What the trail says of a write that was allowed: with an operation it is asked for, without one it is done. */
export function eventOf(
  { permit }: Permitted,
  { audit = {} }: Answer,
  known: Known,
  rule: string,
  { requestId, source }: Incoming,
): AuditEvent {
  const { id, tenantId: _, done = permit, ...told } = audit;
  const [action, type] = done;
  return {
    actor: known.principal,
    action: `${action} ${type}`,
    subject: { type, id },
    outcome: told.operationId ? 'asked' : 'done',
    rule,
    requestId,
    source,
    ...told,
  };
}

/** Refusals of somebody known that can be asked about later; a body that is not well formed explains itself. */
const explained: readonly RefusalCode[] = [
  'forbidden',
  'not-found',
  'conflict',
  'operation-running',
  'precondition-failed',
  'unprocessable',
  'quota-exceeded',
  'restricted',
];

/** Where a member of a tenant can ask why; undefined for what is not kept. */
export function explanationOf({ known, requestId }: Incoming, thrown: unknown): string | undefined {
  if (!known || known.principal.tenantId === systemTenantId) return undefined;
  return isExplained(thrown) ? `/v1/explanations/${requestId}` : undefined;
}

function isExplained(thrown: unknown): thrown is Refusal {
  return thrown instanceof Refusal && (explained.includes(thrown.code) || thrown instanceof NotProven);
}

/**
 * Keeps why somebody was refused, for the trail and for GET /v1/explanations/{requestId}. Written once all else is
 * rolled back. What is missing and what may not be seen are written alike, so that the trail of one who asks about
 * ids tells them nothing either.
 */
export async function recordRefusal(route: Route, incoming: Incoming, thrown: unknown): Promise<void> {
  const mismatch = mismatchOf(incoming, thrown);
  if (mismatch) return recordMismatch(mismatch, incoming);
  const { known, refused, requestId, source } = incoming;
  if (!known || !route.permit || !isExplained(thrown)) return;
  const [action, type] = refused?.permit ?? route.permit;
  const { principal, credential } = known;
  const { tenantId } = principal;
  refusals.inc({ code: thrown.code, tenant: tenantId });
  const event: AuditEvent = {
    actor: principal,
    action: `${action} ${type}`,
    subject: { type, id: refused?.id || undefined },
    outcome: 'refused',
    rule: refused?.rule ?? thrown.message,
    requestId,
    source,
    details: {
      code: thrown.code,
      detail: thrown.message,
      route: `${route.method.toUpperCase()} /v1${route.path}`,
      roles: credential.roles,
      ...(credential.bound && { rolesOfOwner: credential.bound }),
      rightsVersion: credential.rightsVersion,
      ...(refused && { inputs: refused.facts, considered: refused.considered }),
      ...limitingOf(thrown),
    },
  };
  if (tenantId === systemTenantId) {
    await inSystem('platform', ({ sql }) => auditInSystem(sql, event));
    return;
  }
  const place = await placeOf(tenantId);
  if (place) await inTenant(place, ({ sql }) => auditInTenant(sql, event));
}
