import { z } from 'zod';
import { auditList } from '../../models/system/audit-event.ts';
import { platformRead } from '../platform-route.ts';
import { iso } from '../present.ts';
import { id, moment, page, pagingBy } from '../shapes.ts';

const event = z
  .object({
    seq: z.string(),
    id: z.string(),
    at: moment,
    actor: z.looseObject({}),
    action: z.string(),
    subject: z.object({ type: z.string(), id: z.string().nullable() }),
    tenantId: z.string().nullable(),
    outcome: z.string(),
    rule: z.string().nullable(),
    reason: z.string().nullable(),
    requestId: z.string().nullable(),
    operationId: z.string().nullable(),
    source: z.string().nullable(),
    details: z.looseObject({}),
  })
  .meta({ id: 'AuditEvent' });

export const listPlatformAudit = platformRead({
  method: 'get',
  path: '/platform/audit-events',
  tag: 'Audit',
  summary: 'Who did what to which tenant, newest first',
  permit: ['read', 'PlatformAuditEvent'],
  query: z.strictObject({
    ...pagingBy('number'),
    tenantId: id('ten').optional(),
    operationId: id('op').optional(),
    action: z.string().max(100).optional(),
  }),
  answers: { 200: page(event) },
  load: ({ query }) => auditList(query, query.cursor, query.limit + 1),
  handle: ({ rows, query }) => {
    const items = rows.slice(0, query.limit).map(present);
    return { status: 200, body: { items, nextCursor: rows.length > query.limit ? items.at(-1)?.seq : null } };
  },
});

function present(row: Record<string, unknown>) {
  return {
    seq: String(row.seq),
    id: row.id,
    at: iso(row.at),
    actor: row.actor,
    action: row.action,
    subject: { type: row.subject_type, id: row.subject_id },
    tenantId: row.tenant_id,
    outcome: row.outcome,
    rule: row.rule,
    reason: row.reason,
    requestId: row.request_id,
    operationId: row.operation_id,
    source: row.source,
    details: row.details,
  };
}
