import { type StepRow, stepsAt } from '../../models/tenant/run-step.ts';
import type { WorkflowDefinition, WorkflowStep } from '../../policies/workflow-definition.ts';
import type { Held } from './frame.ts';
import { filledJson, scopeOf } from './scope.ts';

/** What steps leave for what comes after them. */
export const lastOf = (steps: WorkflowStep[]): string => steps.at(-1)?.id ?? '';
export const outputOf = (row: StepRow | undefined): unknown =>
  row?.state === 'failed' ? { error: row.refusal ?? row.code } : (row?.output ?? null);

/** What a workflow answers: what it says, or what the last of its steps left. */
export async function outputOfWorkflow(
  held: Held,
  definition: WorkflowDefinition,
  { prefix, within }: { prefix: string; within: string | undefined },
): Promise<unknown> {
  const levels = [{ steps: definition.steps, prefix }];
  if (definition.output !== undefined)
    return filledJson(definition.output, await scopeOf(held, { levels, within }, definition.output));
  const last = `${prefix}${lastOf(definition.steps)}`;
  return outputOf((await stepsAt(held.sql, held.keyring, held.run.id, [last])).get(last));
}
