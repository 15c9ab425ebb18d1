import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { requestsOfAll } from '../../models/system/quota-request.ts';
import { requestStates } from '../../policies/quota-request.ts';
import { platformRead } from '../platform-route.ts';
import { iso, presentPage } from '../present.ts';
import { requestFilter } from '../quota-request.ts';
import { id, moment, page } from '../shapes.ts';

/** What waits to be decided, whoever asked. Reasons are told where one organisation is looked at: its key opens them. */
const askedOfPlatform = z
  .object({
    id: id('qrq'),
    tenantId: id('ten'),
    name: z.string().meta({ description: 'The organisation’s.' }),
    region: z.string(),
    plan: z.string(),
    operationId: id('op'),
    quotaId: z.string(),
    amount: z.int().meta({ description: 'What the limit shall be.' }),
    until: moment.nullable().meta({ description: 'Null: without an end.' }),
    state: z.enum(requestStates),
    granted: z.int().nullable(),
    grantedUntil: moment.nullable(),
    createdAt: moment,
    decidedAt: moment.nullable(),
    endedAt: moment.nullable(),
  })
  .meta({ id: 'QuotaRequestOfPlatform' });

export const listAllRequests = platformRead({
  method: 'get',
  path: '/platform/quota-requests',
  tag: 'Limits',
  summary: 'Requests for more of all organisations, newest first; state=waiting are those nobody has decided',
  permit: ['read', 'TenantQuota'],
  query: z.strictObject({ ...requestFilter, tenantId: id('ten').optional() }),
  answers: { 200: page(askedOfPlatform) },
  load: ({ query }) => requestsOfAll(query, query.limit + 1),
  handle: ({ rows, query: { limit } }) => ({ status: 200, body: presentPage(rows, limit, present) }),
});

const present = (row: Row) => ({
  id: row.id,
  tenantId: row.tenant_id,
  name: row.name,
  region: row.region,
  plan: row.plan,
  operationId: row.operation_id,
  quotaId: row.quota_id,
  amount: Number(row.amount),
  until: iso(row.until),
  state: row.state,
  granted: row.granted === null ? null : Number(row.granted),
  grantedUntil: iso(row.granted_until),
  createdAt: iso(row.created_at),
  decidedAt: iso(row.decided_at),
  endedAt: iso(row.ended_at),
});
