import type { CallKind, Outcome, OutlineStep } from '../policies/run-plan.ts';
import { effect } from './run-effects.ts';
import { type Course, nextSummary, perform } from './run-steps.ts';

type Settled = Exclude<Outcome, { state: 'held' }>;

/**
 * An agent at work: a turn of its model, then the tools it asks for, side by side, until it asks for none. Each turn
 * and each call is an activity of its own; an agent that another one hands to is the same again, one path deeper.
 */
export async function runAgent(course: Course, step: OutlineStep, path: string): Promise<Settled> {
  const { tenantId, runId } = course;
  for (let turn = 1; ; turn += 1) {
    const at = `${path}#${turn}`;
    const answer = await perform(course, at, step, (attempt) =>
      effect(nextSummary(course, 'turn'), step.timeoutSeconds).takeTurn({
        tenantId,
        runId,
        path,
        turn,
        attempt,
        attempts: step.attempts,
        number: course.number,
      }),
    );
    if (answer.state !== 'done' || !answer.calls || answer.calls.length === 0) return answer;
    const failed = await runCalls(course, step, at, answer.calls);
    if (failed) return failed;
  }
}

async function runCalls(
  course: Course,
  step: OutlineStep,
  at: string,
  calls: CallKind[],
): Promise<Settled | undefined> {
  const outcomes = await Promise.all(
    calls.map((kind, index) => runCall(course, step, `${at}.${index}`, kind)),
  );
  return outcomes.find((outcome) => outcome.state === 'failed');
}

function runCall(course: Course, step: OutlineStep, path: string, kind: CallKind): Promise<Settled> {
  const known = course.settled[path];
  if (known?.state === 'done') return Promise.resolve(known);
  if (kind === 'hand-off') return runAgent(course, step, path);
  const { tenantId, runId } = course;
  return perform(course, path, step, (attempt) =>
    effect(nextSummary(course, 'call'), step.timeoutSeconds).takeCall({
      tenantId,
      runId,
      path,
      attempt,
      attempts: step.attempts,
      number: course.number,
    }),
  );
}
