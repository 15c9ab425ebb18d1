import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { readInTenant } from '../../models/scope.ts';
import { placeOf, tenantById } from '../../models/system/tenant.ts';
import { activeHolds, heldTenant } from '../../models/tenant/legal-hold.ts';
import { previewOf } from '../../models/tenant/preview.ts';
import { planAt } from '../../policies/plans.ts';
import { Refusal } from '../../policies/refusal.ts';
import { callOffDeletion } from '../../temporal/start.ts';
import { accepted, begin } from '../operations.ts';
import { platformWrite } from '../platform-route.ts';
import { presentTenant } from '../present.ts';
import { requireVersion } from '../route.ts';
import { dryRun, line, tenantWithOperation } from '../shapes.ts';
import { steered } from '../steering.ts';
import { tenantParams } from './tenants.ts';

const tag = 'Tenants';
const graceDaysMax = 90;
const daySeconds = 86_400;

const preview = z.object({ would: z.looseObject({}) }).meta({ id: 'Preview' });
const answers = { 200: preview, 202: tenantWithOperation };

export const suspendTenant = platformWrite({
  method: 'put',
  path: '/tenants/:tenantId/suspension',
  tag,
  summary: 'Suspend a tenant: sessions end, access is refused, data stays',
  permit: ['suspend', 'Tenant'],
  params: tenantParams,
  query: z.strictObject({ dryRun }),
  body: z.strictObject({ reason: line(500) }),
  answers,
  load: ({ params }) => forUpdate(tenantById(params.tenantId)),
  handle: async ({ system, row, body, query, principal, requestId, log, ...call }) => {
    requireVersion(call, Number(row.version));
    const operation = await begin(system, {
      tenant: row,
      kind: 'suspend-tenant',
      input: body,
      principal,
      requestId,
      log,
    });
    if (query.dryRun) {
      const { rows } = await previewFor(String(row.id));
      return {
        status: 200,
        body: { would: { endSessions: rows.sessions, refuse: rows.users, keep: rows } },
        unchanged: true,
      };
    }
    return {
      ...accepted({ ...presentTenant(row), operation: operation.link }, operation.link),
      afterCommit: operation.afterCommit,
      audit: { id: String(row.id), reason: body.reason, operationId: operation.link.id },
    };
  },
});

export const reactivateTenant = platformWrite({
  method: 'delete',
  path: '/tenants/:tenantId/suspension',
  tag,
  summary: 'Give a suspended tenant its access back',
  permit: ['reactivate', 'Tenant'],
  params: tenantParams,
  query: z.strictObject({ dryRun, reason: line(500).optional() }),
  answers,
  load: ({ params }) => forUpdate(tenantById(params.tenantId)),
  handle: async ({ system, row, query, principal, requestId, log, ...call }) => {
    requireVersion(call, Number(row.version));
    const { reason } = query;
    const input = reason ? { reason } : {};
    const operation = await begin(system, {
      tenant: row,
      kind: 'resume-tenant',
      input,
      principal,
      requestId,
      log,
    });
    if (query.dryRun) {
      const { rows } = await previewFor(String(row.id));
      return { status: 200, body: { would: { admit: rows.users } }, unchanged: true };
    }
    return {
      ...accepted({ ...presentTenant(row), operation: operation.link }, operation.link),
      afterCommit: operation.afterCommit,
      audit: { id: String(row.id), reason, operationId: operation.link.id },
    };
  },
});

export const deleteTenant = platformWrite({
  method: 'delete',
  path: '/tenants/:tenantId',
  tag,
  summary: 'Delete a tenant after a grace period in which it can be called off',
  permit: ['delete', 'Tenant'],
  params: tenantParams,
  query: z.strictObject({
    dryRun,
    reason: line(500).optional(),
    graceSeconds: z.coerce
      .number()
      .int()
      .min(0)
      .max(graceDaysMax * daySeconds)
      .optional()
      .meta({ description: 'How long it can be called off. Default: the plan’s deletionGraceDays.' }),
  }),
  answers,
  load: ({ params }) => forUpdate(tenantById(params.tenantId)),
  handle: async ({ system, row, query, principal, requestId, log, ...call }) => {
    requireVersion(call, Number(row.version));
    const plan = planAt(String(row.plan), Number(row.plan_version));
    const graceSeconds = query.graceSeconds ?? plan.deletionGraceDays * daySeconds;
    const input = { graceSeconds, ...(query.reason && { reason: query.reason }) };
    const operation = await begin(system, {
      tenant: row,
      kind: 'delete-tenant',
      input,
      principal,
      requestId,
      log,
    });
    // Only now: a tenant that is not in a state to be deleted may have no schema to ask.
    await refuseHolds(String(row.id));
    if (query.dryRun) {
      const lost = await previewFor(String(row.id));
      return {
        status: 200,
        body: { would: { destroy: lost, key: 'destroyed', graceSeconds } },
        unchanged: true,
      };
    }
    return {
      ...accepted({ ...presentTenant(row), operation: operation.link }, operation.link),
      afterCommit: operation.afterCommit,
      audit: {
        id: String(row.id),
        reason: query.reason,
        operationId: operation.link.id,
        details: { graceSeconds },
      },
    };
  },
});

export const callOff = platformWrite({
  method: 'delete',
  path: '/tenants/:tenantId/deletion',
  tag,
  summary: 'Call off a deletion within its grace period; the tenant is put back as it was',
  permit: ['delete', 'Tenant'],
  params: tenantParams,
  query: z.strictObject({ dryRun, reason: line(500).optional() }),
  answers,
  load: ({ params }) => tenantById(params.tenantId),
  handle: async ({ system, row, query }) => {
    const tenantId = String(row.id);
    const [running] = await system.sql<{ id: string; previous: string }>(
      `SELECT id, input->>'previous' AS previous FROM operations
       WHERE tenant_id = $1 AND kind = 'delete-tenant' AND state IN ('running', 'parked')`,
      [tenantId],
    );
    if (!running) throw new Refusal('conflict', `The tenant is ${row.state}; no deletion is under way.`);
    if (query.dryRun) return { status: 200, body: { would: { return: running.previous } }, unchanged: true };
    await steered(callOffDeletion({ tenantId, operationId: running.id, kind: 'delete-tenant' }));
    const link = {
      id: running.id,
      href: `/v1/operations/${running.id}`,
      kind: 'delete-tenant',
      state: 'running',
    };
    return {
      ...accepted({ ...presentTenant(row), operation: link }, link),
      audit: { id: tenantId, reason: query.reason, operationId: running.id, details: { calledOff: true } },
    };
  },
});

/** Said at once; the workflow asks again, in the tenant's own turn. */
async function refuseHolds(tenantId: string): Promise<void> {
  const place = await placeOf(tenantId);
  const [[row] = []] = place ? await readInTenant(place, [activeHolds(tenantId)]) : [];
  if (Number(row?.count ?? 0) > 0) throw heldTenant(Number(row?.count));
}

async function previewFor(tenantId: string) {
  const place = await placeOf(tenantId);
  if (!place) throw new Refusal('not-found', 'The tenant has no place any more.');
  return previewOf(place);
}
