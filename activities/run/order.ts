import { type Beginning, stepStates } from '../../models/tenant/run-step.ts';
import type { Outcome } from '../../policies/run-plan.ts';
import type { WorkflowStep } from '../../policies/workflow-definition.ts';
import { type Held, StepFault } from './frame.ts';
import { type Located, locate } from './scope.ts';

/**
 * What Temporal says has ended is not believed: whoever can write there could hand one step's result to another, and so
 * pass an approval that nobody gave. The ledger decides whether a step's turn has come, and whether all inside one is over.
 */
type States = Map<string, string>;

type Placed = Pick<Located, 'step' | 'levels' | 'within'>;

/** The steps beside it, and how their paths begin. */
const levelOf = ({ levels }: Pick<Placed, 'levels'>) => levels.at(-1) ?? { steps: [], prefix: '' };

const containerOf = ({ levels, within }: Placed): string | undefined => levels.at(-1)?.item?.path ?? within;

/** The step itself, those beside it, and what it is in: all that says whether its turn has come, or is over. */
export function statesAround({ sql, run }: Held, located: Placed, path: string): Promise<States> {
  const { step } = located;
  const container = containerOf(located);
  const { steps, prefix } = levelOf(located);
  // What comes after nothing is judged by nothing beside it.
  const beside = step.after.length > 0 ? steps.map(({ id }) => prefix + id) : [];
  return stepStates(sql, run.id, [path, ...beside, ...(container === undefined ? [] : [container])]);
}

/** How a step was settled that is not to be done again; undefined when it is to be done. */
export function settledAs(states: States, path: string): Outcome | undefined {
  const state = states.get(path);
  return state === 'done' || state === 'skipped' ? { state } : undefined;
}

export function insistOnTurn(located: Placed, states: States): void {
  const { step } = located;
  const container = containerOf(located);
  const { steps, prefix } = levelOf(located);
  const begun = container === undefined || states.get(container) === 'running';
  const before = steps.filter(({ id }) => step.after.includes(id));
  const around = aroundOf(steps, prefix, states);
  if (begun && before.every((each) => isOver(around, each))) return;
  throw new StepFault('refused', 'Its turn has not come: what it comes after is not over.');
}

/** `prefixes`: of the rounds of a loop, or of a map's items. */
export async function insistAllOver(
  { sql, run }: Held,
  steps: WorkflowStep[],
  prefixes: string[],
): Promise<void> {
  const paths = prefixes.flatMap((prefix) => steps.map(({ id }) => prefix + id));
  const states = await stepStates(sql, run.id, paths);
  const over = prefixes.every((prefix) => {
    const around = aroundOf(steps, prefix, states);
    return steps.every((each) => isOver(around, each));
  });
  if (!over) throw new StepFault('refused', 'What is inside this step is not over.');
}

/** `skipped`: what is known already, for many may come after the same. */
type Around = { steps: WorkflowStep[]; prefix: string; states: States; skipped: Map<string, boolean> };

const aroundOf = (steps: WorkflowStep[], prefix: string, states: States): Around => ({
  ...{ steps, prefix, states },
  skipped: new Map(),
});

function isOver(around: Around, step: WorkflowStep): boolean {
  const state = around.states.get(around.prefix + step.id);
  if (state === 'failed') return step.onFailure === 'continue';
  return state === 'done' || isSkipped(around, step);
}

/** Beside a step that is about to be skipped: those that are skipped by that. */
export async function skippedWith(held: Held, skipped: Beginning): Promise<Beginning[]> {
  const { steps, prefix } = levelOf(locate(held.carried.plan, skipped.path));
  const paths = steps.map(({ id }) => prefix + id);
  const states: States = await stepStates(held.sql, held.run.id, paths);
  states.set(skipped.path, 'skipped');
  const around = aroundOf(steps, prefix, states);
  return steps
    .filter((each) => !states.has(prefix + each.id) && isSkipped(around, each))
    .map(({ id, kind }) => ({ path: prefix + id, number: skipped.number, kind }));
}

/** What comes after skipped steps alone is skipped with them. */
function isSkipped(around: Around, step: WorkflowStep): boolean {
  const state = around.states.get(around.prefix + step.id);
  if (state !== undefined) return state === 'skipped';
  const known = around.skipped.get(step.id);
  if (known !== undefined) return known;
  const before = around.steps.filter(({ id }) => step.after.includes(id));
  const skipped = before.length > 0 && before.every((each) => isSkipped(around, each));
  around.skipped.set(step.id, skipped);
  return skipped;
}
