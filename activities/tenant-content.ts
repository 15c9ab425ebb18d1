import { auditInTenant } from '../models/audit.ts';
import { intakeOf } from '../models/intake.ts';
import { inSystem, inTenant, readInSystem } from '../models/scope.ts';
import { tenantById } from '../models/system/tenant.ts';
import { applyDefaults } from '../models/tenant/defaults.ts';
import { inviteOwner } from '../models/tenant/invitation.ts';
import { refuseHeldTenant } from '../models/tenant/legal-hold.ts';
import { endAllSessions } from '../models/tenant/session.ts';
import { takeTurn } from '../models/tenant/turn.ts';
import { planAt } from '../policies/plans.ts';
import { Refusal } from '../policies/refusal.ts';
import { activity, placeFor, type Step } from './activity.ts';
import { tellRuns } from './run/everyone.ts';

async function planOf(tenantId: string) {
  const [rows] = await readInSystem('platform', [tenantById(tenantId)]);
  const row = rows?.[0];
  if (!row) throw new Refusal('not-found', `There is no tenant ${tenantId}.`);
  return planAt(String(row.plan), Number(row.plan_version));
}

async function intakeFor(tenantId: string) {
  const intake = await intakeOf(await placeFor(tenantId));
  if (!intake)
    throw new Refusal('conflict', 'What was asked for this tenant is no longer there; ask for it anew.');
  return intake;
}

export const applyPlan = activity(['create', 'Tenant'], async ({ tenantId }: Step) => {
  const [place, plan, intake] = await Promise.all([
    placeFor(tenantId),
    planOf(tenantId),
    intakeFor(tenantId),
  ]);
  await inTenant(place, (tenant) => applyDefaults(tenant, tenantId, plan, intake));
});

export const openSubscription = activity(['create', 'Tenant'], async ({ tenantId }: Step) => {
  await inSystem('platform', ({ sql }) =>
    sql(
      `INSERT INTO subscriptions (tenant_id, plan, plan_version, state)
       SELECT id, plan, plan_version, 'active' FROM tenants WHERE id = $1 ON CONFLICT DO NOTHING`,
      [tenantId],
    ),
  );
});

export const closeSubscription = activity(['delete', 'Tenant'], async ({ tenantId }: Step) => {
  await inSystem('platform', ({ sql }) =>
    sql(
      "UPDATE subscriptions SET state = 'ended', ended_at = now() WHERE tenant_id = $1 AND state = 'active'",
      [tenantId],
    ),
  );
});

export const createInvitation = activity(['create', 'Tenant'], async ({ tenantId }: Step) => {
  const [place, intake] = await Promise.all([placeFor(tenantId), intakeFor(tenantId)]);
  await inTenant(place, (tenant) => inviteOwner(tenant, intake.adminEmail, intake.adminName));
});

export type Blocking = Step & { state: 'suspended' | 'deleting' };

/** From its commit on, the tenant's own people and keys are refused; their sessions are over. */
export const blockTenant = activity(
  ['suspend', 'Tenant'],
  async ({ tenantId, operationId, state }: Blocking, by, requestId) => {
    const place = await placeFor(tenantId);
    await inTenant(place, async (tenant) => {
      // In turn with whoever makes a hold; once the tenant is blocked nobody can make one.
      await takeTurn(tenant.sql);
      if (state === 'deleting') await refuseHeldTenant(tenant.sql);
      const changed = await tenant.sql(
        'UPDATE tenant SET state = $1, updated_at = now() WHERE state <> $1 RETURNING id',
        [state],
      );
      const sessions = await endAllSessions(tenant);
      if (changed.length === 0) return;
      await auditInTenant(tenant.sql, {
        actor: by,
        action: `tenant ${state}`,
        subject: { type: 'Tenant', id: tenantId },
        outcome: 'done',
        requestId,
        operationId,
        details: { sessionsEnded: sessions },
      });
    });
    await tellRuns(place);
  },
);

export const unblockTenant = activity(
  ['reactivate', 'Tenant'],
  async ({ tenantId, operationId }: Step, by, requestId) => {
    const place = await placeFor(tenantId);
    await inTenant(place, async ({ sql }) => {
      const changed = await sql(
        "UPDATE tenant SET state = 'active', updated_at = now() WHERE state <> 'active' RETURNING id",
      );
      if (changed.length === 0) return;
      await auditInTenant(sql, {
        actor: by,
        action: 'tenant active',
        subject: { type: 'Tenant', id: tenantId },
        outcome: 'done',
        requestId,
        operationId,
      });
    });
    await tellRuns(place);
  },
);
