import { auditInSystem, auditInTenant } from '../models/audit.ts';
import { forgetIntake } from '../models/intake.ts';
import { inSystem, inTenant, type SystemScope } from '../models/scope.ts';
import type { Stored } from '../models/stored.ts';
import { closeOperation } from '../models/system/operation.ts';
import type { TenantRow } from '../models/system/tables.ts';
import { forgetPlace, freeAddresses, holdAddress, releasePlace } from '../models/system/tenant.ts';
import { forgetTenantKeys } from '../models/tenant-key.ts';
import type { TenantState } from '../policies/lifecycle.ts';
import type { OperationState } from '../policies/operation.ts';
import type { Principal } from '../policies/principal.ts';
import { activity, type Close, placeFor, type Step } from './activity.ts';
import type { Certificate } from './tenant-schema.ts';

/**
 * The steps that change what a tenant is. Each closes its operation, changes the tenant's row and writes the
 * platform's audit event in one transaction; a repeated one finds the operation closed and changes nothing.
 */
type Ending = {
  close: Close;
  by: Principal;
  outcome: OperationState;
  change: Partial<TenantRow>;
  action: string;
  reason?: string | undefined;
  result?: object | undefined;
  also?: (system: SystemScope, tenant: Stored<TenantRow>) => Promise<void>;
};

async function end({ close, by, outcome, change, action, reason, result, also }: Ending): Promise<void> {
  const { tenantId, operationId, steps } = close;
  await inSystem('platform', async (system) => {
    const problem =
      reason && outcome !== 'succeeded'
        ? { title: 'The operation did not succeed.', detail: reason }
        : undefined;
    if (!(await closeOperation(system, { operationId, state: outcome, steps, result, problem }))) return;
    const tenant = await system.Tenant.findByPk(tenantId, { rejectOnEmpty: true });
    const before = { state: tenant.state };
    await tenant.update({ ...change, version: tenant.version + 1, updatedAt: new Date() });
    await also?.(system, tenant);
    await auditInSystem(
      system.sql,
      {
        actor: by,
        action,
        subject: { type: 'Tenant', id: tenantId },
        outcome: outcome === 'succeeded' ? 'done' : 'failed',
        reason,
        operationId,
        before,
        after: { state: tenant.state },
        details: { from: before.state, to: tenant.state, operation: outcome, steps: steps.map(timesOf) },
      },
      tenantId,
    );
  });
}

const timesOf = ({ name, state, startedAt, endedAt, attempts }: Close['steps'][number]) => ({
  name,
  state,
  startedAt,
  endedAt,
  attempts,
});

export const activateTenant = activity(['create', 'Tenant'], async (close: Close, by) => {
  const place = await placeFor(close.tenantId);
  await inTenant(place, async ({ sql }) => {
    const changed = await sql("UPDATE tenant SET state = 'active' WHERE state = 'provisioning' RETURNING id");
    if (changed.length === 0) return;
    await auditInTenant(sql, {
      actor: by,
      action: 'tenant active',
      subject: { type: 'Tenant', id: close.tenantId },
      outcome: 'done',
      operationId: close.operationId,
    });
  });
  await end({
    close,
    by,
    outcome: 'succeeded',
    change: { state: 'active', stateReason: null },
    action: 'provision-tenant',
  });
  await forgetIntake(place);
});

export type Failing = Close & { reason: string; cancelled: boolean };

/** The place, the address and every trace in the cell go; the row stays and says why. */
export const failTenant = activity(['create', 'Tenant'], async (failing: Failing, by) => {
  const { tenantId, reason, cancelled } = failing;
  const place = await placeFor(tenantId);
  await forgetTenantKeys(place);
  await forgetIntake(place);
  await end({
    close: failing,
    by,
    outcome: cancelled ? 'cancelled' : 'failed',
    change: { state: 'failed', stateReason: reason },
    action: 'provision-tenant',
    reason,
    also: async (system, tenant) => {
      await freeAddresses(system, tenantId);
      await releasePlace(system, tenant);
      await system.Subscription.destroy({ where: { tenantId } });
    },
  });
});

export type Settling = Close & {
  state: Extract<TenantState, 'active' | 'suspended'>;
  outcome: 'succeeded' | 'failed' | 'cancelled';
  reason?: string;
};

export const settleTenant = activity(['read', 'Operation'], async (settling: Settling, by) => {
  const { tenantId, operationId, state, outcome, reason } = settling;
  const asked = await inSystem('platform', ({ Operation }) =>
    Operation.findByPk(operationId, { rejectOnEmpty: true }),
  );
  const suspension = typeof asked.input.reason === 'string' ? asked.input.reason : null;
  const kept = await inSystem('platform', ({ Tenant }) => Tenant.findByPk(tenantId, { rejectOnEmpty: true }));
  const stateReason =
    state === 'active' ? null : asked.kind === 'suspend-tenant' ? suspension : kept.stateReason;
  await end({
    close: settling,
    by,
    outcome,
    change: { state, stateReason, deletionDue: null },
    action: asked.kind,
    reason: reason ?? suspension ?? undefined,
  });
});

export type Announcing = Step & { due: string };

export const announceDeletion = activity(
  ['delete', 'Tenant'],
  async ({ tenantId, operationId, due }: Announcing, by) => {
    await inSystem('platform', async (system) => {
      const tenant = await system.Tenant.findByPk(tenantId, { rejectOnEmpty: true });
      if (tenant.state === 'deleting') return;
      const before = { state: tenant.state };
      await tenant.update({
        state: 'deleting',
        deletionDue: new Date(due),
        version: tenant.version + 1,
        updatedAt: new Date(),
      });
      await auditInSystem(
        system.sql,
        {
          actor: by,
          action: 'announce deletion',
          subject: { type: 'Tenant', id: tenantId },
          outcome: 'done',
          operationId,
          before,
          after: { state: 'deleting' },
          details: { due },
        },
        tenantId,
      );
    });
  },
);

export type Burying = Close & { certificate: Certificate };

/** What stays of a deleted tenant: a row that says so and proves what is gone. Its address is held back for a time. */
export const buryTenant = activity(['delete', 'Tenant'], async (burying: Burying, by) => {
  const { certificate, tenantId } = burying;
  await end({
    close: burying,
    by,
    outcome: 'succeeded',
    change: { state: 'deleted', deletionDue: null, tombstone: certificate },
    action: 'delete-tenant',
    result: { certificate },
    also: async (system, tenant) => {
      await holdAddress(system, tenant.slug);
      await releasePlace(system, tenant);
    },
  });
  forgetPlace(tenantId);
});
