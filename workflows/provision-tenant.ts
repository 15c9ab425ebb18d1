import { backward, forGood, forward, forwardSlowly, outside } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import type { LifecycleInput } from './registry.ts';
import { decisively, orUndo, together } from './undo.ts';

const plan: PlannedStep[] = [
  { name: 'ensureTenantSchema', title: 'Make the schema and its role', undoneBy: ['removeTenantSchema'] },
  { name: 'ensureTenantKey', title: 'Make the encryption key', undoneBy: ['destroyTenantKey'] },
  { name: 'openSubscription', title: 'Open the subscription', undoneBy: ['closeSubscription'] },
  {
    name: 'applyPlan',
    title: 'Apply settings, roles and limits of the plan',
    undoneBy: ['removeTenantSchema'],
  },
  { name: 'createInvitation', title: 'Invite the first administrator', undoneBy: ['removeTenantSchema'] },
  { name: 'sendInvitation', title: 'Send the invitation' },
  { name: 'probeTenant', title: 'Try the new tenant out' },
  { name: 'activateTenant', title: 'Open the tenant' },
];

/** A tenant that works, or nothing at all: no schema, role, key or subscription, and its address free again. */
export async function provisionTenant(input: LifecycleInput): Promise<void> {
  const tenant = { tenantId: input.tenantId, operationId: input.operationId };
  await runOperation(input, plan, (ledger) =>
    orUndo(
      async (undo) => {
        undo(() => backward.removeTenantSchema(tenant));
        undo(() => backward.destroyTenantKey(tenant));
        undo(() => backward.closeSubscription(tenant));
        // Three different places, so none need wait for another.
        await together(
          () => forwardSlowly.ensureTenantSchema(tenant),
          () => forward.ensureTenantKey(tenant),
          () => forward.openSubscription(tenant),
        );
        await forward.applyPlan(tenant);
        await forward.createInvitation(tenant);
        await outside(input.region).sendInvitation(tenant);
        await forward.probeTenant(tenant);
        const steps = ledger.closedBy('activateTenant', false);
        await decisively(() => forGood.activateTenant({ ...tenant, steps }));
      },
      ({ outcome, reason }) =>
        backward.failTenant({ ...tenant, steps: ledger.steps, reason, cancelled: outcome === 'cancelled' }),
    ),
  );
}
