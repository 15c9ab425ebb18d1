import { actAs, systemActor } from './acting.ts';
import { backward, forGood, outside } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import type { ErrandInput } from './registry.ts';
import { decisively, orUndo } from './undo.ts';

const plan: PlannedStep[] = [
  {
    name: 'sendPasswordReset',
    title: 'Mail the way to a new password',
    undoneBy: ['withdrawPasswordReset'],
  },
  { name: 'closePasswordReset', title: 'Record that it was mailed' },
];

/** A mail with a way to a new password, or no way at all. */
export async function resetPassword({ region, subjectId, ...errand }: ErrandInput): Promise<void> {
  const reset = { tenantId: errand.tenantId, operationId: errand.operationId, resetId: subjectId };
  await runOperation(errand, plan, (ledger) =>
    orUndo(
      async () => {
        await outside(region).sendPasswordReset(reset);
        const steps = ledger.closedBy('closePasswordReset', false);
        // Not in the asker's name: what was mailed is recorded whatever they may by now.
        const principal = systemActor('system:reset-password');
        await decisively(() => actAs({ principal }, () => forGood.closePasswordReset({ ...reset, steps })));
      },
      (ending) => {
        const steps = ledger.closedBy('withdrawPasswordReset', true);
        return backward.withdrawPasswordReset({ ...reset, steps, ...ending });
      },
    ),
  );
}
