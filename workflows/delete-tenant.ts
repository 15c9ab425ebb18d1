import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { actAs, systemActor } from './acting.ts';
import { backward, forGood, forward } from './effects.ts';
import type { Ledger, PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import { callOffUpdate, type LifecycleInput, refusalType } from './registry.ts';
import { orUndo, untilAllDone } from './undo.ts';

const plan: PlannedStep[] = [
  {
    name: 'blockTenant',
    title: 'Refuse new work and end sessions',
    undoneBy: ['unblockTenant', 'blockTenant'],
  },
  { name: 'announceDeletion', title: 'Announce the deletion', undoneBy: ['settleTenant'] },
  { name: 'gracePeriod', title: 'Wait for second thoughts', undoneBy: ['unblockTenant', 'blockTenant'] },
  { name: 'destroyTenantKey', title: 'Destroy the encryption key' },
  { name: 'removeTenantSchema', title: 'Drop the schema and its role' },
  { name: 'closeSubscription', title: 'Close the subscription' },
  { name: 'verifyErased', title: 'Prove that nothing is left' },
  { name: 'buryTenant', title: 'Issue the certificate' },
];

/** Until the grace period is over the tenant can be had back as it was; after that nothing of it remains. */
export async function deleteTenant(input: LifecycleInput): Promise<void> {
  const { tenantId, operationId } = input;
  const tenant = { tenantId, operationId };
  const state = input.previous === 'suspended' ? 'suspended' : 'active';
  const graceMs = 1_000 * (input.graceSeconds ?? 0);
  const due = new Date(Date.now() + graceMs).toISOString();
  const secondThoughts = graceOf(graceMs);
  await runOperation(input, plan, async (ledger) => {
    await orUndo(
      async (undo) => {
        undo(() =>
          state === 'active'
            ? backward.unblockTenant(tenant)
            : backward.blockTenant({ ...tenant, state: 'suspended' }),
        );
        await forward.blockTenant({ ...tenant, state: 'deleting' });
        await forward.announceDeletion({ ...tenant, due });
        await ledger.track('gracePeriod', false, () => secondThoughts());
      },
      (ending) => {
        const steps = ledger.closedBy('settleTenant', true);
        return backward.settleTenant({ ...tenant, steps, state, ...ending });
      },
    );
    const principal = systemActor('system:delete-tenant');
    await CancellationScope.nonCancellable(() => actAs({ principal }, () => erase(tenant, ledger)));
  });
}

/** Returns the wait for the end of the grace period; it ends as cancelled when the deletion is called off. */
function graceOf(graceMs: number): () => Promise<void> {
  let open = true;
  let calledOff = false;
  // The validator must stay synchronous: one that returns a promise can never refuse.
  const validator = () => {
    if (!open) throw ApplicationFailure.nonRetryable('The grace period is over.', refusalType);
  };
  setHandler(
    defineUpdate<void>(callOffUpdate),
    () => {
      calledOff = true;
    },
    { validator },
  );
  return async () => {
    await condition(() => calledOff, Math.max(graceMs, 1));
    // Asked together with the timer, calling off wins: it was accepted.
    if (calledOff) throw new CancelledFailure('The deletion was called off.');
    open = false;
  };
}

/** No way back from here. When something is refused, an operator mends it and the whole erasure is done again. */
async function erase(tenant: { tenantId: string; operationId: string }, ledger: Ledger): Promise<void> {
  const everything = async () => {
    await forGood.destroyTenantKey(tenant);
    await forGood.removeTenantSchema(tenant);
    await forGood.closeSubscription(tenant);
    const certificate = await forGood.verifyErased(tenant);
    const steps = ledger.closedBy('buryTenant', false);
    await forGood.buryTenant({ ...tenant, steps, certificate });
  };
  await untilAllDone([everything]);
}
