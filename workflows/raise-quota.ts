import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { actAs, systemActor } from './acting.ts';
import { backward, forGood, forward } from './effects.ts';
import type { PlannedStep } from './ledger.ts';
import { runOperation } from './operation.ts';
import { type ErrandInput, settledSignal } from './registry.ts';
import { decisively, orUndo } from './undo.ts';

const undoneBy = ['withdrawQuotaRequest'] as const;
const plan: PlannedStep[] = [
  { name: 'lookAtQuotaRequest', title: 'See whether it is decided', undoneBy },
  { name: 'untilDecided', title: 'Wait for a decision', undoneBy },
  { name: 'carryOutQuotaRequest', title: 'Raise the limit, if that was decided', undoneBy },
  { name: 'untilRaiseEnds', title: 'Wait until the raise ends', undoneBy },
  { name: 'closeQuotaRequest', title: 'Lower the limit again and record what became of it' },
];

// The row decides what is over; clocks that differ a little are to agree by then.
const lateMs = 250;
/** A decision of which this could not be told, because Temporal was away, is found by then. */
const lookAgainMs = 6 * 3_600_000;

type Look = () => Promise<{ until?: string }>;

/**
 * More of a limit: waits for a decision, raises, waits for the end and lowers again. Whoever asks has to be allowed to for
 * as long as nothing is decided; what was decided is carried out whatever they may by then.
 */
export async function raiseQuota({ tenantId, operationId, subjectId }: ErrandInput): Promise<void> {
  const request = { tenantId, operationId, quotaRequestId: subjectId };
  let settled = false;
  setHandler(defineSignal(settledSignal), () => {
    settled = true;
  });
  await runOperation({ tenantId, operationId }, plan, (ledger) => {
    /** What was told while looking is not lost: it is looked at again. */
    const waitOut = async (wait: PlannedStep['name'], longestMs: number, look: Look) => {
      for (;;) {
        settled = false;
        const { until } = await look();
        const dueMs = until === undefined ? undefined : Date.parse(until) + lateMs;
        await ledger.track(wait, false, async () => {
          if (dueMs !== undefined)
            await condition(() => settled, Math.min(Math.max(dueMs - Date.now(), 1), longestMs));
        });
        if (dueMs === undefined || (!settled && Date.now() >= dueMs)) return;
      }
    };
    return orUndo(
      async () => {
        await waitOut('untilDecided', lookAgainMs, () => forward.lookAtQuotaRequest(request));
        await actAs({ principal: systemActor('system:raise-quota') }, async () => {
          await waitOut('untilRaiseEnds', Infinity, () => forward.carryOutQuotaRequest(request));
          const steps = ledger.closedBy('closeQuotaRequest', false);
          await decisively(() => forGood.closeQuotaRequest({ ...request, steps }));
        });
      },
      (ending) => {
        const steps = ledger.closedBy('withdrawQuotaRequest', true);
        return backward.withdrawQuotaRequest({ ...request, steps, ...ending });
      },
    );
  });
}
