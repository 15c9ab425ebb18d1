import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { iso } from './present.ts';
import { moment } from './shapes.ts';

/** An event of a trail, the platform's or a tenant's, as the API shows it. */
export const auditEvent = z
  .object({
    seq: z.string(),
    id: z.string(),
    at: moment,
    actor: z.looseObject({}),
    action: z.string(),
    subject: z.object({ type: z.string(), id: z.string().nullable() }),
    outcome: z.string(),
    rule: z.string().nullable(),
    reason: z.string().nullable(),
    requestId: z.string().nullable(),
    operationId: z.string().nullable(),
    source: z.string().nullable(),
    details: z.looseObject({}),
  })
  .meta({ id: 'AuditEvent' });

export function presentAuditEvent(row: Row) {
  return {
    seq: String(row.seq),
    id: row.id,
    at: iso(row.at),
    actor: row.actor,
    action: row.action,
    subject: { type: row.subject_type, id: row.subject_id },
    outcome: row.outcome,
    rule: row.rule,
    reason: row.reason,
    requestId: row.request_id,
    operationId: row.operation_id,
    source: row.source,
    details: row.details,
  };
}

/** One page of a trail read with `limit + 1`, newest first. */
export function auditPage<T extends { seq: string }>(rows: Row[], limit: number, present: (row: Row) => T) {
  const items = rows.slice(0, limit).map(present);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.seq ?? null) : null };
}
