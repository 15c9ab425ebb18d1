import { z } from 'zod';
import { readInTenant } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { reconciliationList } from '../../models/tenant/usage-reconciliation.ts';
import { platformRead } from '../platform-route.ts';
import { presentPage } from '../present.ts';
import { page, pagingBy } from '../shapes.ts';
import { meteredPlace } from './tenant-usage.ts';
import { tenantParams } from './tenants.ts';
import { presentReconciliation, reconciliation } from './usage-reconciliations.ts';

/** What the alarm on drifts is about. To repair is the organisation's own, for its limits and invoices follow from it. */
export const listReconciliationsOf = platformRead({
  method: 'get',
  path: '/tenants/:tenantId/usage/reconciliations',
  tag: 'Platform usage',
  summary: 'Whether what an organisation used is the same counted in two ways, day by day, newest first',
  permit: ['read', 'TenantUsage'],
  params: tenantParams,
  query: z.strictObject(pagingBy('number')),
  answers: { 200: page(reconciliation) },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ row, query: { cursor, limit }, params: { tenantId } }) => {
    const place = await meteredPlace(row);
    const listed = reconciliationList(tenantId, { before: cursor, limit: limit + 1 });
    const [rows = []] = await readInTenant(place, [listed]);
    return { status: 200, body: presentPage(rows, limit, presentReconciliation) };
  },
});
