import { CancellationScope, CancelledFailure, TemporalFailure } from '@temporalio/workflow';
import { actAs, acting, systemActor } from './acting.ts';
import { failedStep, inWords, isCancelled, isStray } from './failure.ts';
import { parked } from './operation.ts';

/**
 * All or nothing. An undo is registered before its step, because a step can take effect and still lose its reply.
 * Undos run newest first, shielded from cancellation, carry on past one that fails and wait for an operator when
 * one is exhausted; only when all are done is the operation settled. A bug (a plain Error) is none of our business
 * here: it blocks the workflow task until fixed code resumes it, and undoes nothing.
 */
export type Ending = { outcome: 'failed' | 'cancelled'; reason: string };
type Act = () => Promise<unknown>;

export async function orUndo(
  promise: (undo: (act: Act) => void) => Promise<void>,
  settle: (ending: Ending) => Promise<void>,
): Promise<void> {
  const undos: Act[] = [];
  try {
    await promise((act) => {
      undos.unshift(act);
    });
  } catch (failure) {
    if (!(failure instanceof TemporalFailure) || isStray(failure)) throw failure;
    const ending = endingOf(failure);
    await CancellationScope.nonCancellable(() =>
      actAs({ principal: systemActor('system:undo'), undoing: true }, async () => {
        await untilAllDone(undos);
        await untilAllDone([() => settle(ending)]);
      }),
    );
    throw failure;
  }
}

/** The act that decides: not begun when cancellation was asked for before it, and not cancelled once it has begun. */
export async function decisively<T>(act: () => Promise<T>): Promise<T> {
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('Cancelled on request.');
  return CancellationScope.nonCancellable(act);
}

/** Runs every act, carrying on past those that fail; parks the operation and tries these again until none is left. */
export async function untilAllDone(acts: Act[]): Promise<void> {
  let left = acts;
  for (;;) {
    left = await thoseThatFail(left);
    if (left.length === 0) return;
    await parked();
  }
}

async function thoseThatFail(acts: Act[]): Promise<Act[]> {
  const failed: Act[] = [];
  for (const act of acts) {
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof TemporalFailure) || isStray(failure)) throw failure;
      failed.push(act);
    }
  }
  return failed;
}

function endingOf(failure: TemporalFailure): Ending {
  if (isCancelled(failure)) return { outcome: 'cancelled', reason: 'Cancelled on request.' };
  const name = failedStep(failure);
  const title = name && acting().ledger?.summaryOf(name, false);
  return { outcome: 'failed', reason: title ? `${title}: ${inWords(failure)}` : inWords(failure) };
}

/**
 * Runs independent steps side by side. When one fails the others are cancelled, and all have ended before the
 * failure goes on: an effect still under way must not land after its undo.
 */
export async function together(...steps: Act[]): Promise<void> {
  const scope = new CancellationScope();
  const failures: unknown[] = [];
  const watched = async (step: Act) => {
    try {
      await step();
    } catch (failure) {
      failures.push(failure);
      scope.cancel();
    }
  };
  await scope.run(() => Promise.all(steps.map(watched)));
  if (failures.length === 0) return;
  // A bug goes first, so that it blocks. Else the first in time: the later ones may have failed because of it.
  throw failures.find((failure) => !(failure instanceof TemporalFailure)) ?? failures[0];
}
