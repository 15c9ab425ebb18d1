import { type StepRow, stepsAt } from '../../models/tenant/run-step.ts';
import { evaluate, fill, fillIn, type Json, type Scope } from '../../policies/expression.ts';
import { Refusal } from '../../policies/refusal.ts';
import { pinned, type RunPlan, rootWorkflow } from '../../policies/run-plan.ts';
import type { WorkflowDefinition, WorkflowStep } from '../../policies/workflow-definition.ts';
import { type Held, StepFault } from './frame.ts';

/** What an expression of a step may speak of, from what is sealed in the ledger: its input, earlier steps, its item. */
type Level = { steps: WorkflowStep[]; prefix: string; item?: { path: string; index: number } };
export type Located = {
  step: WorkflowStep;
  levels: Level[];
  /** The step that runs this workflow in another one; undefined in the outermost. */
  within: string | undefined;
  definition: WorkflowDefinition;
  /** Workflows and agents around it, itself included. */
  depth: number;
};

/** The step a path names, without the turns and calls of an agent behind it. */
export function locate(plan: RunPlan, path: string): Located {
  let definition = rootWorkflow(plan);
  let levels: Level[] = [{ steps: definition.steps, prefix: '' }];
  let within: string | undefined;
  let depth = 1;
  let prefix = '';
  const parts = path.split('#')[0]?.split('/') ?? [];
  for (const [at, part] of parts.entries()) {
    const [, id, index] = /^(\w+)(?:\[(\d+)\])?$/.exec(part) ?? [];
    const step = levels.at(-1)?.steps.find((each) => each.id === id);
    if (!step) throw new Error('bug: the plan of this run has no such step');
    if (at === parts.length - 1) return { step, levels, within, definition, depth: depth + handOffs(path) };
    const own = `${prefix}${id}`;
    prefix += `${part}/`;
    if (step.kind === 'workflow') {
      definition = pinned(plan.workflows, step.workflowId).definition;
      levels = [{ steps: definition.steps, prefix }];
      within = own;
      depth += 1;
    } else if ('steps' in step)
      levels = [...levels, { steps: step.steps, prefix, item: { path: own, index: Number(index) } }];
  }
  throw new Error('bug: a path names no step');
}

const handOffs = (path: string): number => path.split('#').length - 1;

export type { Scope };

/** `text` is what will be evaluated: of earlier steps only those it names are opened. */
export async function scopeOf(
  { sql, keyring, run, carried }: Held,
  { levels, within }: Pick<Located, 'levels' | 'within'>,
  text: unknown,
): Promise<Scope> {
  const said = JSON.stringify(text) ?? '';
  const named = levels.flatMap(({ steps, prefix }) =>
    steps
      .filter(({ id }) => said.includes(id) || said.includes('steps['))
      .map(({ id }) => ({ id, path: prefix + id })),
  );
  const around = levels.flatMap(({ item }) => item?.path ?? []);
  const rows = await stepsAt(sql, keyring, run.id, [
    ...named.map(({ path }) => path),
    ...around,
    ...(within ? [within] : []),
  ]);
  const steps = Object.fromEntries(named.map(({ id, path }) => [id, shown(rows.get(path))]));
  const item = levels.findLast((level) => level.item)?.item;
  const items = item && rows.get(item.path)?.input;
  const input = within ? rows.get(within)?.input : carried.input;
  return {
    // Sealed as JSON, and opened as such.
    input: (input ?? null) as Json,
    steps,
    run: { id: run.id, conversationId: run.conversation_id, environment: run.environment },
    ...(item && { index: item.index, item: (Array.isArray(items) ? items[item.index] : null) as Json }),
  };
}

function shown(row: StepRow | undefined): { state: string; output: Json } {
  if (!row) return { state: 'skipped', output: null };
  if (row.state === 'failed') return { state: row.state, output: { error: row.refusal ?? row.code } };
  return { state: row.state, output: (row.output ?? null) as Json }; // sealed as JSON
}

/** What a tenant wrote fails for the tenant to mend. */
export const evaluated = (expression: string, scope: Scope): Json =>
  expressed(() => evaluate(expression, scope));
export const filled = (template: string, scope: Scope): string => expressed(() => fill(template, scope));
export const filledJson = (value: Json, scope: Scope): Json => expressed(() => fillIn(value, scope));

export function isTrue(expression: string | undefined, scope: Scope): boolean {
  if (expression === undefined) return true;
  const value = evaluated(expression, scope);
  if (typeof value === 'boolean') return value;
  throw new StepFault('expression', 'An expression that decides has to be true or false.');
}

function expressed<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refusal) throw new StepFault('expression', error.message);
    throw error;
  }
}
