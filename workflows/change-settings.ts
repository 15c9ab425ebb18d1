import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { backward, forGood, forward } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import { type ErrandInput, settledSignal } from './registry.ts';
import { decisively, orUndo } from './undo.ts';

const plan: PlannedStep[] = [
  { name: 'dueOfSettings', title: 'See when the change is due' },
  { name: 'untilDue', title: 'Wait until then', undoneBy: ['withdrawSettings'] },
  { name: 'applySettings', title: 'Change the settings' },
];

/** Settings that change at a time, if they still can by then; or a change that says why it never came into force. */
export async function changeSettings({ tenantId, operationId, subjectId }: ErrandInput): Promise<void> {
  const change = { tenantId, operationId, changeId: subjectId };
  let settled = false;
  setHandler(defineSignal(settledSignal), () => {
    settled = true;
  });
  await runOperation({ tenantId, operationId }, plan, (ledger) =>
    orUndo(
      async () => {
        const { due } = await forward.dueOfSettings(change);
        const wait = due ? Math.max(Date.parse(due) - Date.now(), 1) : 1;
        await ledger.track('untilDue', false, async () => {
          await condition(() => settled, wait);
        });
        const steps = ledger.closedBy('applySettings', false);
        await decisively(() => forGood.applySettings({ ...change, steps }));
      },
      (ending) => {
        const steps = ledger.closedBy('withdrawSettings', true);
        return backward.withdrawSettings({ ...change, steps, ...ending });
      },
    ),
  );
}
