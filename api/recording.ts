import type { AuditEvent } from '../models/audit.ts';
import type { Known } from './principal.ts';
import type { Answer, Incoming, Permitted } from './route.ts';

/** What the trail says of a write that was allowed: with an operation it is asked for, without one it is done. */
export function eventOf(
  { permit: [action, type] }: Permitted,
  { audit = {} }: Answer,
  known: Known,
  rule: string,
  { requestId, source }: Incoming,
): AuditEvent {
  const { id, tenantId: _, ...told } = audit;
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
