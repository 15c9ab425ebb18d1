import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Visible } from '../visible.ts';

/** Reading the trail of one tenant; it is written by models/audit.ts alone. */
const columns = `seq, id, at, actor, action, subject_type, subject_id, outcome, rule, reason, request_id, operation_id, source,
  details, sealed_details`;

export type AuditFilter = {
  action?: string | undefined;
  subjectType?: string | undefined;
  subjectId?: string | undefined;
  actorId?: string | undefined;
  requestId?: string | undefined;
  outcome?: string | undefined;
};

export function tenantAuditList(
  tenantId: string,
  filter: AuditFilter,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const parts = [
    filter.action && `action = ${slot(filter.action)}`,
    filter.subjectType && `subject_type = ${slot(filter.subjectType)}`,
    // A role that was given is in the trail as the role; whoever it was given to is part of it.
    filter.subjectId && `${slot(filter.subjectId)} IN (subject_id, details->>'userId')`,
    filter.actorId && `actor->>'id' = ${slot(filter.actorId)}`,
    filter.requestId && `request_id = ${slot(filter.requestId)}`,
    filter.outcome && `outcome = ${slot(filter.outcome)}`,
    cursor && `seq < ${slot(cursor)}`,
  ].filter(Boolean);
  const where = parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '';
  const text = `SELECT ${columns} FROM ${schemaOf(tenantId)}.audit_events ${where} ORDER BY seq DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

/** How long a refusal can be asked about. */
export const explainedDays = 30;

/**
 * Why a request was refused; whoever was refused is its owner. Request ids are the callers' to choose, so several may
 * have the same: of those that may be seen, one's own comes first, so that nobody can put theirs in front of it.
 */
export function refusalByRequest(
  tenantId: string,
  requestId: string,
  { ids, visible }: { ids: readonly string[]; visible: Visible },
): Statement {
  const may = visible(3);
  return {
    text: `SELECT * FROM (
             SELECT ${columns}, actor->>'id' AS owner_id FROM ${schemaOf(tenantId)}.audit_events
             WHERE request_id = $1 AND outcome = 'refused' AND at > now() - make_interval(days => ${explainedDays})
           ) refusal WHERE ${may.text}
           ORDER BY coalesce(owner_id = ANY (string_to_array($2, ' ')), false) DESC, seq DESC LIMIT 1`,
    values: [requestId, ids.join(' '), ...may.values],
  };
}
