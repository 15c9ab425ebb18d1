import type { HeldRun } from '../../models/tenant/held-run.ts';
import { isUnderWay } from '../../models/tenant/run-step.ts';
import { budgetSpent, moreBudget } from '../../policies/run-budget.ts';
import type { Agent } from './agent.ts';
import { type Held, StepFault } from './frame.ts';

/**
 * Refuses what would go over the budget of the run, or a limit of it; said in the run's refusal. What is under way was
 * counted when it began: a lost worker's step goes on with the next, also when it is the last there may be.
 */
export async function insistWithin({ sql, run }: Held, path: string): Promise<void> {
  const over = overOf(run);
  if (over && !(await isUnderWay(sql, run.id, path))) throw over;
}

function overOf(run: HeldRun): StepFault | undefined {
  const spent = budgetSpent(run);
  if (spent) return new StepFault('limit-budget', `${spent} ${moreBudget(run.id)}`);
  const { limits, steps_used, tokens } = run;
  if (steps_used >= limits.steps)
    return new StepFault('limit-steps', `The run may take ${limits.steps} steps, and has taken as many.`);
  if (tokens >= limits.tokens)
    return new StepFault('limit-tokens', `The run may use ${limits.tokens} tokens, and has used ${tokens}.`);
  return undefined;
}

/** `rows` are the agent's other turns and its calls. */
export function insistOwnLimits({ definition: { limits } }: Agent, rows: { tokens: number }[]): void {
  if (rows.length >= limits.steps)
    throw new StepFault('limit-steps', `This agent may take ${limits.steps} steps, and has taken as many.`);
  const tokens = rows.reduce((sum, row) => sum + row.tokens, 0);
  if (tokens >= limits.tokens)
    throw new StepFault(
      'limit-tokens',
      `This agent may use ${limits.tokens} tokens, and has used ${tokens}.`,
    );
}
