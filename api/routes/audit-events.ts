import { z } from 'zod';
import { detailsOf } from '../../models/audit.ts';
import { auditList } from '../../models/system/audit-event.ts';
import { tenantAuditList } from '../../models/tenant/audit-event.ts';
import { auditEvent, auditPage, presentAuditEvent } from '../audit-event.ts';
import { platformRead } from '../platform-route.ts';
import { id, page, pagingBy } from '../shapes.ts';
import { tenantRead } from '../tenant-route.ts';

const tag = 'Audit';
const short = z.string().max(100).optional();

export const listAudit = tenantRead({
  method: 'get',
  path: '/audit-events',
  tag,
  summary:
    'Who did what in the organisation, newest first; of people and rights with what was before and after',
  permit: ['read', 'AuditEvent'],
  query: z.strictObject({
    ...pagingBy('number'),
    action: short,
    subjectType: short,
    subjectId: short,
    actorId: short,
    requestId: short,
    outcome: z.enum(['asked', 'done', 'refused', 'failed', 'cancelled']).optional(),
  }),
  answers: { 200: page(auditEvent) },
  load: ({ query, tenantId }) =>
    tenantAuditList(tenantId, query, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query, keyring }) => {
    const opened = rows.map((row) => ({ ...row, details: detailsOf(keyring, row) }));
    return { status: 200, body: auditPage(opened, query.limit, presentAuditEvent) };
  },
});

export const listPlatformAudit = platformRead({
  method: 'get',
  path: '/platform/audit-events',
  tag,
  summary: 'Who did what to which tenant, newest first',
  permit: ['read', 'PlatformAuditEvent'],
  query: z.strictObject({
    ...pagingBy('number'),
    tenantId: id('ten').optional(),
    operationId: id('op').optional(),
    action: short,
  }),
  answers: {
    200: page(auditEvent.extend({ tenantId: z.string().nullable() }).meta({ id: 'PlatformAuditEvent' })),
  },
  load: ({ query }) => auditList(query, query.cursor, query.limit + 1),
  handle: ({ rows, query }) => ({
    status: 200,
    body: auditPage(rows, query.limit, (row) => ({ ...presentAuditEvent(row), tenantId: row.tenant_id })),
  }),
});
