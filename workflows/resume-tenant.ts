import { backward, forGood, forward } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import type { LifecycleInput } from './registry.ts';
import { decisively, orUndo } from './undo.ts';

const plan: PlannedStep[] = [
  { name: 'unblockTenant', title: 'Admit work and sessions again', undoneBy: ['blockTenant'] },
  { name: 'settleTenant', title: 'Record the resumption' },
];

/** The tenant works again, or stays suspended. */
export async function resumeTenant(input: LifecycleInput): Promise<void> {
  const tenant = { tenantId: input.tenantId, operationId: input.operationId };
  await runOperation(input, plan, (ledger) =>
    orUndo(
      async (undo) => {
        undo(() => backward.blockTenant({ ...tenant, state: 'suspended' }));
        await forward.unblockTenant(tenant);
        const steps = ledger.closedBy('settleTenant', false);
        await decisively(() =>
          forGood.settleTenant({ ...tenant, steps, state: 'active', outcome: 'succeeded' }),
        );
      },
      (ending) => backward.settleTenant({ ...tenant, steps: ledger.steps, state: 'suspended', ...ending }),
    ),
  );
}
