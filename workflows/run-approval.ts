import { condition } from '@temporalio/workflow';
import type { Outcome, OutlineStep } from '../policies/run-plan.ts';
import { effect } from './run-effects.ts';
import { type Course, nextSummary, perform } from './run-steps.ts';

/** Waiting for people: asked once, answered in the row; the run is told to look, or the time runs out. */
type Settled = Exclude<Outcome, { state: 'held' }>;

export async function awaitApproval(course: Course, step: OutlineStep, path: string): Promise<Settled> {
  const { tenantId, runId, gate, answered } = course;
  const asked = await perform(course, path, step, () =>
    effect(nextSummary(course, 'approval')).enterStep({
      tenantId,
      runId,
      path,
      number: course.number,
      alone: gate.alone,
    }),
  );
  if (asked.state !== 'waiting') return asked;
  let { dueAt } = asked;
  for (;;) {
    course.waiting += 1;
    try {
      await condition(() => answered.has(path), Math.max(Date.parse(dueAt) - Date.now(), 1));
    } finally {
      course.waiting -= 1;
    }
    const answer = await gate.through(() => effect('Take the answer').leaveStep({ tenantId, runId, path }));
    if (answer.state !== 'waiting') return answer;
    ({ dueAt } = answer);
  }
}
