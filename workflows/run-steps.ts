import { CancellationScope, sleep, TemporalFailure } from '@temporalio/workflow';
import { isLimit, type RunRefusal } from '../policies/run.ts';
import type { Outcome, Outline, OutlineStep } from '../policies/run-plan.ts';
import { runAgent } from './run-agent.ts';
import { awaitApproval } from './run-approval.ts';
import { effect } from './run-effects.ts';
import type { Gate } from './run-gate.ts';
import { type NeutralLine, stepTitles } from './run-registry.ts';

/** The walk over a run's steps. It knows ids, order and outcomes; texts stay where they are sealed. */
export type Course = {
  tenantId: string;
  runId: string;
  outline: Outline;
  gate: Gate;
  /** What earlier Temporal runs of this run, or the round before a retry, have settled: it is not done again. */
  settled: Record<string, Outcome>;
  /** Iterations of loops that are over. */
  progress: Record<string, number>;
  /** Approvals that people have answered, by path. */
  answered: Set<string>;
  /** How many approvals are waited for just now. */
  waiting: number;
  number: number;
  told(line: string): void;
};

/** Ends the run; `path` is the step whose row says why. */
export class StepFailed extends Error {
  readonly code: RunRefusal;
  readonly path: string;
  constructor(code: RunRefusal, path: string) {
    super(code);
    this.name = 'StepFailed';
    this.code = code;
    this.path = path;
  }
}

/** Neutral words: temporal/payload-codec.ts lets exactly such a line stand in clear. */
export function nextSummary(course: Course, kind: keyof typeof stepTitles): NeutralLine {
  course.number += 1;
  const line: NeutralLine = `Step ${course.number}: ${stepTitles[kind]}`;
  course.told(line);
  return line;
}

type Settled = Exclude<Outcome, { state: 'held' }>;

/** Once, or as often as the step says; what is settled already is taken as it is. */
export async function perform(
  course: Course,
  path: string,
  { attempts, firstDelaySeconds }: Pick<OutlineStep, 'attempts' | 'firstDelaySeconds'>,
  act: (attempt: number) => Promise<Outcome>,
): Promise<Settled> {
  const known = course.settled[path];
  if (known && known.state !== 'held' && known.state !== 'failed') return known;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await course.gate.through(() => act(attempt));
    if (outcome.state !== 'failed' || !outcome.again) return outcome;
    if (attempt >= attempts) return outcome;
    await course.gate.counted(() => sleep(1_000 * firstDelaySeconds * 2 ** (attempt - 1)));
  }
}

/** Steps side by side, each when all it comes after have ended. The first failure ends the others, and goes on when they have. */
export async function runSteps(course: Course, steps: OutlineStep[], prefix: string): Promise<void> {
  const begun = new Map<string, Promise<'ended' | 'skipped'>>();
  const scope = new CancellationScope();
  const failures: unknown[] = [];
  const start = (step: OutlineStep): Promise<'ended' | 'skipped'> => {
    const known = begun.get(step.id);
    if (known) return known;
    const before = step.after.flatMap((id) => steps.filter((other) => other.id === id)).map(start);
    const running = inOrder(course, step, prefix, before).catch((failure: unknown) => {
      failures.push(failure);
      scope.cancel();
      return 'ended' as const;
    });
    begun.set(step.id, running);
    return running;
  };
  await scope.run(() => Promise.all(steps.map(start)));
  if (failures.length > 0) throw worst(failures);
}

/** A step that failed says more than those that were cancelled because of it; a bug, which blocks, says most. */
function worst(failures: unknown[]): unknown {
  const isStep = (each: unknown) => each instanceof StepFailed;
  const isBug = (each: unknown) => !isStep(each) && !(each instanceof TemporalFailure);
  return failures.find(isBug) ?? failures.find(isStep) ?? failures[0];
}

async function inOrder(
  course: Course,
  step: OutlineStep,
  prefix: string,
  before: Promise<'ended' | 'skipped'>[],
): Promise<'ended' | 'skipped'> {
  const ends = await Promise.all(before);
  if (ends.length > 0 && ends.every((end) => end === 'skipped')) return 'skipped';
  const path = `${prefix}${step.id}`;
  const outcome = await runStep(course, step, path);
  if (outcome.state === 'skipped') return 'skipped';
  if (outcome.state === 'failed') {
    if (step.onFailure === 'fail' || isLimit(outcome.code)) throw new StepFailed(outcome.code, path);
  }
  return 'ended';
}

async function runStep(course: Course, step: OutlineStep, path: string): Promise<Settled> {
  const known = course.settled[path];
  if (known && (known.state === 'done' || known.state === 'skipped')) return known;
  if (step.kind === 'agent') return runAgent(course, step, path);
  if (step.kind === 'approval') return awaitApproval(course, step, path);
  if (step.kind === 'tool' || step.kind === 'condition') {
    const { tenantId, runId } = course;
    return perform(course, path, step, (attempt) =>
      effect(nextSummary(course, step.kind), step.timeoutSeconds).takeStep({
        tenantId,
        runId,
        path,
        attempt,
        attempts: step.attempts,
        number: course.number,
      }),
    );
  }
  return runContainer(course, step, path);
}

async function runContainer(course: Course, step: OutlineStep, path: string): Promise<Settled> {
  const { tenantId, runId, gate } = course;
  const entered = await perform(course, path, step, () =>
    effect(nextSummary(course, step.kind)).enterStep({ tenantId, runId, path, number: course.number }),
  );
  if (entered.state === 'failed' || entered.state === 'skipped') return entered;
  const count = entered.state === 'done' ? (entered.count ?? 0) : 0;
  try {
    if (step.kind === 'map') await runItems(course, step, path, count);
    else if (step.kind === 'loop') return await runLoop(course, step, path);
    else await runSteps(course, course.outline.workflows[step.workflowId ?? ''] ?? [], `${path}/`);
  } catch (failure) {
    if (!(failure instanceof StepFailed) || isLimit(failure.code)) throw failure;
    const because = { code: failure.code, path: failure.path };
    return gate.through(() =>
      effect('Note what failed').leaveStep({ tenantId, runId, path, failed: because }),
    );
  }
  return gate.through(() => effect('Gather the results').leaveStep({ tenantId, runId, path }));
}

async function runItems(course: Course, step: OutlineStep, path: string, count: number): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const worker = async () => {
    while (next < count && failures.length === 0) {
      const item = next;
      next += 1;
      await runSteps(course, step.steps ?? [], `${path}[${item}]/`).catch((failure: unknown) => {
        failures.push(failure);
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(step.concurrency ?? 1, count) }, worker));
  if (failures.length > 0) throw worst(failures);
}

async function runLoop(course: Course, step: OutlineStep, path: string): Promise<Settled> {
  const { tenantId, runId, gate } = course;
  for (let iteration = course.progress[path] ?? 0; ; iteration += 1) {
    await runSteps(course, step.steps ?? [], `${path}[${iteration}]/`);
    const outcome = await gate.through(() =>
      effect('See whether to go on').leaveStep({ tenantId, runId, path, iteration }),
    );
    if (outcome.state !== 'waiting') return outcome;
  }
}
