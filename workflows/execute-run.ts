import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineSignal,
  setCurrentDetails,
  setHandler,
  sleep,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import { isRuleOrLimit, type RunEnding } from '../policies/run.ts';
import { actAs, systemActor } from './acting.ts';
import { isCancelled, isStray } from './failure.ts';
import { refusalType } from './registry.ts';
import { effect } from './run-effects.ts';
import { Gate } from './run-gate.ts';
import { lookSignal, type RunInput } from './run-registry.ts';
import { type Course, runSteps, StepFailed } from './run-steps.ts';

/** Below what the server suggests: some thousand events replay in a blink, and the rows hold all that matters. */
const eventsMax = 2_000;

/**
 * One run of an agent or a workflow. What is to be done, what was done and what is wanted of it stand in its rows; this
 * decides the order, waits, and keeps within time. It may be begun anew at any point: what is settled stays settled.
 */
export async function executeRun(input: RunInput): Promise<void> {
  const { tenantId, runId, round } = input;
  let looks = 0;
  setHandler(defineSignal(lookSignal), () => {
    looks += 1;
  });
  const ending = await openedAs(input, async () => {
    const opened = await effect('Begin').openRun({ tenantId, runId, round });
    const course = courseOf(input, opened);
    let asked: RunEnding | undefined;
    const work = new CancellationScope();
    const end = (as: RunEnding) => {
      asked ??= as;
      work.cancel();
    };
    const aside = new CancellationScope();
    void aside.run(() => watch(course, () => looks, end)).catch(unlessBug);
    void aside.run(() => untilSpent(course, opened.minutes, end)).catch(unlessBug);
    const worked = work
      .run(() => runSteps(course, opened.outline.steps, ''))
      .then(
        (): RunEnding => ({ state: 'succeeded' }),
        (failure: unknown) => asked ?? endingOf(failure),
      );
    const full = aside.run(() => untilFull(course)).catch(unlessBug);
    const first = await Promise.race([worked, full]);
    aside.cancel();
    return first ?? course.gate.activeMs();
  });
  if (typeof ending === 'number') await continueAsNew<typeof executeRun>({ ...input, activeMs: ending });
}

type Opened = Awaited<ReturnType<ReturnType<typeof effect>['openRun']>>;

function courseOf({ tenantId, runId, activeMs = 0 }: RunInput, opened: Opened): Course {
  const gate = new Gate(activeMs, opened.held);
  const told = (line: string) => setCurrentDetails(line);
  return { ...opened, tenantId, runId, gate, answered: new Set(opened.answered), waiting: 0, told };
}

/** Closes the run as it ended, whatever was asked of it meanwhile; one that is handed on is not closed. */
async function openedAs(
  { tenantId, runId, round }: RunInput,
  act: () => Promise<RunEnding | number>,
): Promise<number | undefined> {
  const ending = await act().catch(endingOf);
  if (typeof ending === 'number') return ending;
  await CancellationScope.nonCancellable(() =>
    actAs({ principal: systemActor('system:run') }, () =>
      effect('Close').closeRun({ tenantId, runId, round, ending }),
    ),
  );
  setCurrentDetails(`Run ${ending.state}`);
  if (ending.state === 'cancelled' && CancellationScope.current().consideredCancelled)
    throw new CancelledFailure('Stopped in Temporal.');
  return undefined;
}

/** What a failure makes of the run. A bug, and a run that nobody asked for, are thrown on: neither changes anything. */
function endingOf(failure: unknown): RunEnding {
  if (failure instanceof StepFailed) {
    const { code, path } = failure;
    return { state: isRuleOrLimit(code) ? 'refused' : 'failed', code, path };
  }
  if (!(failure instanceof TemporalFailure) || isStray(failure)) throw failure;
  if (isCancelled(failure)) return { state: 'cancelled', code: 'cancelled' };
  const cause = failure instanceof ActivityFailure ? failure.cause : failure;
  const refused = cause instanceof ApplicationFailure && cause.type === refusalType;
  return refused ? { state: 'refused', code: 'forbidden' } : { state: 'failed', code: 'failed' };
}

/** Reads the row when told to, and tells it when the run has come to rest. */
async function watch(course: Course, looks: () => number, end: (as: RunEnding) => void): Promise<void> {
  const { tenantId, runId, gate } = course;
  let seen = 0;
  for (;;) {
    await condition(() => looks() > seen || restsUntold(course));
    seen = looks();
    const rests = gate.idle && course.waiting > 0;
    const row = await actAs({ principal: systemActor('system:run') }, () =>
      effect('Look what is wanted').lookAtRun({ tenantId, runId, idle: gate.idle, rests }),
    );
    for (const path of row.answered) course.answered.add(path);
    gate.told = row.state;
    gate.paused = row.held;
    if (row.cancelled) end({ state: 'cancelled', code: 'cancelled' });
  }
}

function restsUntold({ gate, waiting }: Course): boolean {
  if (!gate.idle) return false;
  if (gate.paused) return gate.told !== 'paused' && gate.told !== 'queued';
  return waiting > 0 && gate.told !== 'waiting';
}

async function untilSpent({ gate }: Course, minutes: number, end: (as: RunEnding) => void): Promise<void> {
  const limitMs = minutes * 60_000;
  while (gate.activeMs() < limitMs) {
    await condition(() => !gate.idle);
    await sleep(Math.max(limitMs - gate.activeMs(), 1));
  }
  end({ state: 'refused', code: 'limit-minutes' });
}

/** A history that grows long is handed on to a fresh one, between two effects. */
async function untilFull({ gate }: Course): Promise<undefined> {
  await condition(() => {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return historyLength > eventsMax || continueAsNewSuggested;
  });
  gate.rolling = true;
  await condition(() => gate.idle);
  return undefined;
}

/** These end by being cancelled; anything else has to be seen. */
function unlessBug(failure: unknown): Promise<undefined> {
  if (failure instanceof TemporalFailure && isCancelled(failure)) return new Promise(() => {});
  throw failure;
}
