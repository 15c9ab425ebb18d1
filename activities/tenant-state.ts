import { auditInTenant } from '../models/audit.ts';
import { forgetIntake } from '../models/intake.ts';
import { inTenant } from '../models/scope.ts';
import type { Closed } from '../models/system/operation.ts';
import type { TenantRow } from '../models/system/tables.ts';
import { freeAddresses, releasePlace } from '../models/system/tenant.ts';
import { unlistTenant } from '../models/system/workspace.ts';
import { forgetTenantKeys } from '../models/tenant-key.ts';
import type { TenantState } from '../policies/lifecycle.ts';
import { activity, type Close, placeFor } from './activity.ts';
import { end } from './ending.ts';

/** The steps that say what a tenant is from now on, and end the operation with it. */
export const activateTenant = activity(['create', 'Tenant'], async (close: Close, by, requestId) => {
  const place = await placeFor(close.tenantId);
  await inTenant(place, async ({ sql }) => {
    const changed = await sql("UPDATE tenant SET state = 'active' WHERE state = 'provisioning' RETURNING id");
    if (changed.length === 0) return;
    await auditInTenant(sql, {
      actor: by,
      action: 'tenant active',
      subject: { type: 'Tenant', id: close.tenantId },
      outcome: 'done',
      requestId,
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
      await unlistTenant(system, tenantId);
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
