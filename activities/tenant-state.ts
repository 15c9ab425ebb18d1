import { auditInSystem, auditInTenant } from '../models/audit.ts';
import { forgetIntake } from '../models/intake.ts';
import { inSystem, inTenant, type SystemScope } from '../models/scope.ts';
import type { Stored } from '../models/stored.ts';
import { type Closed, closeOperation } from '../models/system/operation.ts';
import type { TenantRow } from '../models/system/tables.ts';
import { forgetPlace, freeAddresses, holdAddress, releasePlace } from '../models/system/tenant.ts';
import { forgetTenantKeys } from '../models/tenant-key.ts';
import type { TenantState } from '../policies/lifecycle.ts';
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
  outcome: 'succeeded' | 'failed' | 'cancelled';
  change: Partial<TenantRow> | ((closed: Closed, tenant: TenantRow) => Partial<TenantRow>);
  /** Why it did not succeed. */
  reason?: string | undefined;
  result?: object | undefined;
  also?: (system: SystemScope, tenant: Stored<TenantRow>) => Promise<void>;
};

const outcomes = { succeeded: 'done', failed: 'failed', cancelled: 'cancelled' } as const;

async function end(ending: Ending): Promise<void> {
  const { close, by, outcome, change, reason, result, also } = ending;
  const { tenantId, operationId, steps } = close;
  await inSystem('platform', async (system) => {
    const problem = reason ? { title: 'The operation did not succeed.', detail: reason } : undefined;
    const closed = await closeOperation(system, { operationId, state: outcome, steps, result, problem });
    if (!closed) return;
    const tenant = await system.Tenant.findByPk(tenantId, { rejectOnEmpty: true });
    const from = tenant.state;
    const changed = typeof change === 'function' ? change(closed, tenant) : change;
    await tenant.update({ ...changed, version: tenant.version + 1, updatedAt: new Date() });
    await also?.(system, tenant);
    await auditInSystem(
      system.sql,
      {
        actor: by,
        action: closed.kind,
        subject: { type: 'Tenant', id: tenantId },
        outcome: outcomes[outcome],
        rule: ruleOf(by),
        reason: reason ?? closed.reason ?? undefined,
        requestId: closed.requestId ?? undefined,
        operationId,
        before: { state: from },
        after: { state: tenant.state },
        details: { from, to: tenant.state, steps: steps.map(timesOf) },
      },
      tenantId,
    );
  });
}

/** The asking itself is in the trail with the rule that allowed it; here is what allowed the carrying out. */
function ruleOf(by: Principal): string {
  if (by.kind !== 'system') return 'allowed when asked, and again before this step';
  return `${by.id} finishes what ${by.onBehalfOf ?? 'nobody'} asked for`;
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
  const { state, outcome, reason } = settling;
  await end({
    close: settling,
    by,
    outcome,
    reason,
    change: (closed, tenant) => ({
      state,
      stateReason: whySuspended(state, closed, tenant),
      deletionDue: null,
    }),
  });
});

/** A tenant that is put back as it was keeps the reason it was suspended for. */
function whySuspended(state: Settling['state'], closed: Closed, tenant: TenantRow): string | null {
  if (state === 'active') return null;
  return closed.kind === 'suspend-tenant' ? closed.reason : tenant.stateReason;
}

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
    result: { certificate },
    also: async (system, tenant) => {
      await holdAddress(system, tenant.slug);
      await releasePlace(system, tenant);
    },
  });
  forgetPlace(tenantId);
});
