import { type Fault, Refusal } from './refusal.ts';

/**
 * What a run may use and is certain to have: held of the organisation's limits whole, from its start to its end. All its
 * rounds together use no more; what of them is used up is not there for the next one.
 */
const budgeted = ['tokens', 'steps'] as const;
type Budgeted = (typeof budgeted)[number];
export type RunBudget = { [Name in Budgeted]?: number | undefined };

/** Of a run that has begun: its budget, and what was used of it. */
type Spending = { budget: RunBudget | null; steps_used: number; tokens: number };
const usedOf: Record<Budgeted, (run: Spending) => number> = {
  tokens: ({ tokens }) => tokens,
  steps: ({ steps_used }) => steps_used,
};

/** The first that is used up; its sentence names it. */
export function budgetSpent(run: Spending): string | undefined {
  const spent = budgeted.find((name) => {
    const most = run.budget?.[name];
    return most !== undefined && usedOf[name](run) >= most;
  });
  return spent && spentText(spent, run);
}

export const spentText = (name: Budgeted, run: Spending): string =>
  `The run’s budget of ${run.budget?.[name]?.toLocaleString('en')} ${name} does not go further: ${usedOf[name](run).toLocaleString('en')} of them are used.`;

/** What another round holds: what is left. Refused where that is nothing. */
export function budgetLeft(run: Spending): RunBudget | undefined {
  const { budget } = run;
  if (!budget) return undefined;
  const spent = budgetSpent(run);
  if (spent) throw new Refusal('conflict', `${spent} Retry with a greater one, as in { "budget": { … } }.`);
  return Object.fromEntries(namesIn(budget).map((name) => [name, (budget[name] ?? 0) - usedOf[name](run)]));
}

export const namesIn = (budget: RunBudget): Budgeted[] =>
  budgeted.filter((name) => budget[name] !== undefined);

/** More than the run's own limits would be held for nothing. */
export function insistOnBudget(budget: RunBudget, limits: { [Name in Budgeted]: number }): void {
  const errors = namesIn(budget)
    .filter((name) => (budget[name] ?? 0) > limits[name])
    .map((name): Fault => {
      const most = limits[name].toLocaleString('en');
      return {
        pointer: `/budget/${name}`,
        code: 'limit',
        detail: `must be at most ${most}, which is all the run may use`,
      };
    });
  if (errors.length > 0)
    throw new Refusal('unprocessable', 'The budget is more than the run may use; each fault is listed.', {
      errors,
    });
}

/** What whoever reads why a run ended can do about it. */
export const moreBudget = (runId: string): string =>
  `Go on with a greater one: POST /v1/runs/${runId}/retries with { "budget": { … } }.`;
