import type { HeldRun } from '../../models/tenant/held-run.ts';
import { budgetSpent, moreBudget } from '../../policies/run-budget.ts';
import { StepFault } from './frame.ts';

/** Refuses what would go over the budget of the run, or a limit of it; said in the run's refusal. */
export function insistWithin(run: HeldRun): void {
  const spent = budgetSpent(run);
  if (spent) throw new StepFault('limit-budget', `${spent} ${moreBudget(run.id)}`);
  const { limits, steps_used, tokens } = run;
  if (steps_used >= limits.steps)
    throw new StepFault('limit-steps', `The run may take ${limits.steps} steps, and has taken as many.`);
  if (tokens >= limits.tokens)
    throw new StepFault('limit-tokens', `The run may use ${limits.tokens} tokens, and has used ${tokens}.`);
}
