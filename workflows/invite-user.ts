import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { actAs, systemActor } from './acting.ts';
import { backward, forGood, outside } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import { type ErrandInput, settledSignal } from './registry.ts';
import { decisively, orUndo } from './undo.ts';

const plan: PlannedStep[] = [
  { name: 'mailInvitation', title: 'Send the invitation', undoneBy: ['withdrawInvitation'] },
  { name: 'untilReminder', title: 'Wait for an answer', undoneBy: ['withdrawInvitation'] },
  { name: 'remindInvited', title: 'Remind the invited person', undoneBy: ['withdrawInvitation'] },
  { name: 'untilExpiry', title: 'Wait for an answer until it expires', undoneBy: ['withdrawInvitation'] },
  { name: 'closeInvitation', title: 'Record what became of it' },
];

// The row decides what has expired; clocks that differ a little are to agree by then.
const lateMs = 250;

/** An invitation that is answered, or is taken back, or expires; if it cannot be sent, one that opens nothing. */
export async function inviteUser(input: ErrandInput): Promise<void> {
  const { tenantId, operationId, region, subjectId: invitationId } = input;
  const inviting = { tenantId, operationId, invitationId };
  let settled = false;
  setHandler(defineSignal(settledSignal), () => {
    settled = true;
  });
  const settledBy = async (due: string) => {
    await condition(() => settled, Math.max(Date.parse(due) - Date.now(), 1));
  };
  await runOperation(input, plan, (ledger) =>
    orUndo(
      async () => {
        const { remindAt, expiresAt } = await outside(region).mailInvitation(inviting);
        if (remindAt && expiresAt) {
          await ledger.track('untilReminder', false, () => settledBy(remindAt));
          if (!settled) settled = !(await outside(region).remindInvited(inviting)).pending;
          const due = new Date(Date.parse(expiresAt) + lateMs).toISOString();
          await ledger.track('untilExpiry', false, () => settledBy(due));
        }
        const steps = ledger.closedBy('closeInvitation', false);
        // Not in the inviter's name: what is over is recorded whatever they may by now.
        const principal = systemActor('system:invite-user');
        await decisively(() => actAs({ principal }, () => forGood.closeInvitation({ ...inviting, steps })));
      },
      (ending) => {
        const steps = ledger.closedBy('withdrawInvitation', true);
        return backward.withdrawInvitation({ ...inviting, steps, ...ending });
      },
    ),
  );
}
