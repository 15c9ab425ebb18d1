import { changeRun } from '../../models/tenant/held-run.ts';
import { askApproval } from '../../models/tenant/run-approval.ts';
import { inputFaults } from '../../policies/run-input.ts';
import { type Outcome, pinned } from '../../policies/run-plan.ts';
import type { WorkflowStep } from '../../policies/workflow-definition.ts';
import { activity } from '../activity.ts';
import {
  enter,
  type Held,
  inRun,
  insistSmall,
  type RunStep,
  refuseToBegin,
  StepFault,
  standsStill,
} from './frame.ts';
import { insistOnTurn, settledAs, statesAround } from './order.ts';
import { evaluated, filled, filledJson, isTrue, locate, type Scope, scopeOf } from './scope.ts';
import { skipStep } from './skip.ts';
import { tell } from './telling.ts';

/** Steps that have others inside them, or people to wait for: entered, and left when what they hold is over. */
export type EnterInput = RunStep & { path: string; number: number; alone?: boolean };
const itemsMax = 1_000;
export const enterStep = activity(['start', 'Run'], (input: EnterInput) =>
  inRun(input, async (held): Promise<Outcome> => {
    const { path, number } = input;
    const located = locate(held.carried.plan, path);
    const states = await statesAround(held, located, path);
    const settled = settledAs(states, path);
    if (settled) return settled;
    if (standsStill(held.run)) return { state: 'held' };
    const { step, depth } = located;
    const row = { path, number, kind: step.kind };
    try {
      insistOnTurn(located, states);
      const scope = await scopeOf(held, located, step);
      if (!isTrue(step.when, scope)) return await skipStep(held, row);
      return await entered(held, step, { ...input, scope, depth });
    } catch (error) {
      return refuseToBegin(held, row, error);
    }
  }),
);

type About = EnterInput & { scope: Scope; depth: number };

async function entered(held: Held, step: WorkflowStep, about: About): Promise<Outcome> {
  const { path, number, scope } = about;
  const row = { path, number, kind: step.kind };
  if (step.kind === 'map') {
    const items = evaluated(step.over, scope);
    if (!Array.isArray(items)) throw new StepFault('expression', 'What a map goes over has to be a list.');
    if (items.length > itemsMax)
      throw new StepFault(
        'limit-size',
        `A map goes over ${itemsMax} items at most; there are ${items.length}.`,
      );
    insistSmall(items);
    await enter(held, { ...row, input: items }, false);
    return { state: 'done', count: items.length };
  }
  if (step.kind === 'approval') return ask(held, step, about);
  if (step.kind === 'workflow') {
    await enter(held, { ...row, input: subInput(held, step, about) }, false);
    return { state: 'done' };
  }
  await enter(held, row, false);
  return { state: 'done' };
}
function subInput({ run, carried }: Held, step: WorkflowStep, { scope, depth }: About): unknown {
  if (step.kind !== 'workflow') throw new Error(`bug: a step of kind ${step.kind} is no workflow`);
  if (depth + 1 > run.limits.depth)
    throw new StepFault(
      'limit-depth',
      `Workflows and agents may be ${run.limits.depth} deep in one another.`,
    );
  const input = step.input === undefined ? {} : filledJson(step.input, scope);
  const { inputSchema } = pinned(carried.plan.workflows, step.workflowId).definition;
  const [fault] = inputFaults(inputSchema, input);
  if (fault)
    throw new StepFault(
      'refused',
      `The input of the workflow is not acceptable: ${fault.pointer} ${fault.detail}`,
    );
  return input;
}

async function ask(held: Held, step: WorkflowStep, about: About): Promise<Outcome> {
  if (step.kind !== 'approval') throw new Error(`bug: a step of kind ${step.kind} asks nobody`);
  const { sql, keyring, run } = held;
  const { path, number, scope, alone } = about;
  const { role, timeoutSeconds } = step;
  const question = filled(step.question, scope);
  const { fresh } = await enter(held, { path, number, kind: 'approval', input: { role, question } }, false);
  const dueAt = await askApproval(sql, keyring, { runId: run.id, path, role, question, timeoutSeconds });
  await changeRun(sql, keyring, run, {
    ...(alone && { state: 'waiting' as const }),
    events: fresh ? [{ kind: 'approval.asked', path, data: { role, question, dueAt } }] : [],
  });
  if (fresh) await tell(held, 'run.approval-needed', { path, role, dueAt });
  return { state: 'waiting', dueAt };
}
