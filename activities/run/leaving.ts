import { changeRun } from '../../models/tenant/held-run.ts';
import { answerOf, expireApproval } from '../../models/tenant/run-approval.ts';
import { endStep, noteProgress, stepsAt } from '../../models/tenant/run-step.ts';
import type { RunRefusal } from '../../policies/run.ts';
import { type Outcome, pinned } from '../../policies/run-plan.ts';
import type { WorkflowStep } from '../../policies/workflow-definition.ts';
import { activity } from '../activity.ts';
import {
  finish,
  type Held,
  inRun,
  insistSmall,
  type RunStep,
  StepFault,
  settledBefore,
  standsStill,
} from './frame.ts';
import { insistAllOver } from './order.ts';
import { lastOf, outputOf, outputOfWorkflow } from './output.ts';
import { isTrue, locate, scopeOf } from './scope.ts';

/**
 * A step that held others, or waited for people, is left: it has its output, or fails as what failed inside it.
 *
 * `failed`: a step inside it, whose row says why. `iteration`: of a loop, the one that has just ended.
 */
export type LeaveInput = RunStep & {
  path: string;
  iteration?: number;
  failed?: { code: RunRefusal; path: string };
};

export const leaveStep = activity(['start', 'Run'], (input: LeaveInput) =>
  inRun(input, async (held): Promise<Outcome> => {
    const { path, failed } = input;
    const before = await settledBefore(held, path);
    if (before) return { state: before.state === 'skipped' ? 'skipped' : 'done' };
    if (standsStill(held.run)) return { state: 'held' };
    try {
      if (failed) return await failAs(held, path, failed);
      return await left(held, input);
    } catch (error) {
      if (!(error instanceof StepFault)) throw error;
      return failWith(held, path, error.fault.code, error.fault.refusal);
    }
  }),
);

async function left(held: Held, { path, iteration }: LeaveInput): Promise<Outcome> {
  const { sql, keyring, run, carried } = held;
  const { step } = locate(carried.plan, path);
  const row = (await stepsAt(sql, keyring, run.id, [path])).get(path);
  if (step.kind === 'approval') return answered(held, path);
  if (step.kind === 'map') {
    const count = Array.isArray(row?.input) ? row.input.length : 0;
    await insistAllOver(
      held,
      step.steps,
      Array.from({ length: count }, (_, item) => `${path}[${item}]/`),
    );
    const paths = Array.from({ length: count }, (_, item) => `${path}[${item}]/${lastOf(step.steps)}`);
    const rows = await stepsAt(sql, keyring, run.id, paths);
    return finishSmall(
      held,
      path,
      paths.map((each) => outputOf(rows.get(each))),
    );
  }
  if (step.kind === 'loop') return iterated(held, step, path, iteration ?? 0);
  if (step.kind !== 'workflow') throw new Error(`bug: a step of kind ${step.kind} is not left`);
  const { definition } = pinned(carried.plan.workflows, step.workflowId);
  await insistAllOver(held, definition.steps, [`${path}/`]);
  return finishSmall(
    held,
    path,
    await outputOfWorkflow(held, definition, { prefix: `${path}/`, within: path }),
  );
}

async function iterated(held: Held, step: WorkflowStep, path: string, iteration: number): Promise<Outcome> {
  if (step.kind !== 'loop') throw new Error('bug: only loops are repeated');
  const { sql, keyring, run, carried } = held;
  const prefix = `${path}[${iteration}]/`;
  await insistAllOver(held, step.steps, [prefix]);
  const inside = locate(carried.plan, `${prefix}${lastOf(step.steps)}`);
  if (!isTrue(step.until, await scopeOf(held, inside, step.until))) {
    if (iteration + 1 >= step.maxIterations)
      throw new StepFault('failed', `The loop has not come to its end in ${step.maxIterations} rounds.`);
    await noteProgress(sql, run.id, path, iteration + 1);
    return { state: 'waiting', dueAt: new Date().toISOString() };
  }
  const last = `${prefix}${lastOf(step.steps)}`;
  return finishSmall(held, path, outputOf((await stepsAt(sql, keyring, run.id, [last])).get(last)));
}

function finishSmall(held: Held, path: string, output: unknown): Promise<Outcome> {
  insistSmall(output);
  return finish(held, path, output);
}

async function answered(held: Held, path: string): Promise<Outcome> {
  const { sql, keyring, run } = held;
  await expireApproval(sql, run.id, path);
  const answer = await answerOf(sql, keyring, run.id, path);
  // Not yet over by this database's clock: the run waits on.
  if (!answer) return { state: 'waiting', dueAt: new Date(Date.now() + 1_000).toISOString() };
  const { state, by, comment, at } = answer;
  if (state === 'approved') return finish(held, path, { approved: true, by, comment, at });
  const expired = state === 'expired';
  const why = expired ? 'Nobody answered in time.' : `Rejected${comment ? `: ${comment}` : '.'}`;
  return failWith(held, path, expired ? 'expired' : 'rejected', why);
}

async function failAs(
  held: Held,
  path: string,
  failed: { code: RunRefusal; path: string },
): Promise<Outcome> {
  const cause = (await stepsAt(held.sql, held.keyring, held.run.id, [failed.path])).get(failed.path);
  return failWith(held, path, failed.code, cause?.refusal ?? failed.code);
}

async function failWith(held: Held, path: string, code: RunRefusal, refusal: string): Promise<Outcome> {
  const { sql, keyring, run } = held;
  await endStep(sql, keyring, run.id, { path, state: 'failed', code, refusal });
  await changeRun(sql, keyring, run, { events: [{ kind: 'step.failed', path, data: { code, refusal } }] });
  return { state: 'failed', code };
}
