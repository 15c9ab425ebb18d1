import {
  CancellationScope,
  CancelledFailure,
  condition,
  defineQuery,
  defineSignal,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { type OperationState, percentOf, type StepRecord } from '../policies/operation.ts';
import { actAs, acting, systemActor } from './acting.ts';
import { aside } from './effects.ts';
import { inWords, isCancelled } from './failure.ts';
import { type Ledger, openLedger, type PlannedStep } from './ledger.ts';
import { retrySignal, stepsQuery } from './registry.ts';
import { operationStateKey } from './search-attributes.ts';
import { inMarkdown } from './steps.ts';

/** What every operation's input says. */
type OperationInput = { tenantId: string; operationId: string };

/**
 * The frame of every operation's workflow: its ledger (query, Temporal UI, operation row) and its state (search
 * attribute). The promise itself is the workflow's.
 */
export async function runOperation(
  input: OperationInput,
  plan: readonly PlannedStep[],
  promise: (ledger: Ledger) => Promise<void>,
): Promise<void> {
  const ledger = openLedger(plan, (state, steps) => setCurrentDetails(inMarkdown(state, steps)));
  setHandler(defineQuery<StepRecord[]>(stepsQuery), () => ledger.steps);
  setHandler(defineSignal(retrySignal), () => {
    ledger.retries += 1;
  });
  await actAs({ ledger }, async () => {
    void mirrored(input, ledger);
    try {
      await promise(ledger);
    } catch (failure) {
      if (!(failure instanceof TemporalFailure)) throw failure;
      return endAs(ledger, failure);
    }
    show(ledger, 'succeeded');
  });
}

function endAs(ledger: Ledger, failure: TemporalFailure): void {
  if (!isCancelled(failure)) {
    show(ledger, 'failed');
    throw failure;
  }
  show(ledger, 'cancelled');
  // A deletion that was called off was not cancelled in Temporal, which would show it as a failure.
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(inWords(failure));
}

/** Waits until an operator, who has mended what was in the way, sends the signal. */
export async function parked(): Promise<void> {
  const { ledger } = acting();
  if (!ledger) throw new Error('bug: only an operation can be parked');
  const before = ledger.retries;
  show(ledger, 'parked');
  await CancellationScope.nonCancellable(() => condition(() => ledger.retries > before));
  show(ledger, 'running');
}

function show(ledger: Ledger, state: OperationState): void {
  ledger.enter(state);
  upsertSearchAttributes([{ key: operationStateKey, value: state }]);
}

/**
 * A mirror is an activity more, so it must not begin just because a busy machine is slow: eight provisionings at
 * once on two cores took over a second each. The API asks the workflow itself; the row is for when it cannot.
 */
const firstMirrorMs = 3_000;
const rarestMirrorMs = 30_000;

/**
 * Tells the operation row how far things are, so that the API can answer without Temporal. Never in the way of
 * the promise: only a run that lasts is told of, one change at a time and ever more slowly; being parked at once.
 * The closing activity stores the final ledger, and an ended row is never changed by a late mirror.
 */
async function mirrored({ tenantId, operationId }: OperationInput, ledger: Ledger): Promise<void> {
  const tenant = { tenantId, operationId };
  const stateNow = (): 'parked' | 'running' => (ledger.state === 'parked' ? 'parked' : 'running');
  const told = { version: 0, state: stateNow() };
  await CancellationScope.nonCancellable(() =>
    actAs({ principal: systemActor('system:undo') }, async () => {
      for (let pause = firstMirrorMs; ; pause = Math.min(pause * 2, rarestMirrorMs)) {
        await condition(() => ledger.version !== told.version);
        await condition(() => stateNow() !== told.state, pause);
        const { version, steps } = ledger;
        told.state = stateNow();
        try {
          await aside.mirrorOperation({ ...tenant, steps, percent: percentOf(steps), state: told.state });
          told.version = version;
        } catch (failure) {
          if (!(failure instanceof TemporalFailure)) throw failure;
        }
      }
    }),
  );
}
