import { backward, forGood, forward } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import type { LifecycleInput } from './registry.ts';
import { decisively, orUndo } from './undo.ts';

const plan: PlannedStep[] = [
  { name: 'blockTenant', title: 'Refuse new work and end sessions', undoneBy: ['unblockTenant'] },
  { name: 'settleTenant', title: 'Record the suspension' },
];

/** The tenant stands still and keeps everything, or goes on as if nothing had been asked. */
export async function suspendTenant(input: LifecycleInput): Promise<void> {
  const tenant = { tenantId: input.tenantId, operationId: input.operationId };
  await runOperation(input, plan, (ledger) =>
    orUndo(
      async (undo) => {
        undo(() => backward.unblockTenant(tenant));
        await forward.blockTenant({ ...tenant, state: 'suspended' });
        const steps = ledger.closedBy('settleTenant', false);
        await decisively(() =>
          forGood.settleTenant({ ...tenant, steps, state: 'suspended', outcome: 'succeeded' }),
        );
      },
      (ending) => backward.settleTenant({ ...tenant, steps: ledger.steps, state: 'active', ...ending }),
    ),
  );
}
