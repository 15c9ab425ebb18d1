import { evaluate } from './expression.ts';
import { type Type, typeBySchema, typeOf, type Variables } from './expression-types.ts';
import { schemaFaults } from './json-schema.ts';
import { type Fault, Refusal } from './refusal.ts';
import type { WorkflowDefinition, WorkflowStep } from './workflow-definition.ts';
import { expressionsOf, type Written } from './workflow-expressions.ts';
import { orderFaults, stepsBefore } from './workflow-order.ts';

/**
 * What is wrong with a workflow, all of it at once: its order, its references, its expressions and their kinds, its
 * schemas. What is outside it (agents, integrations, other workflows, roles) is told to it.
 */
export type Known = {
  /** By id: the schema of its answers, or null; absent when there is no such agent. */
  agents: ReadonlyMap<string, Record<string, unknown> | null>;
  /** By id: why it cannot be called. */
  integrations: ReadonlyMap<string, string>;
  workflows: ReadonlySet<string>;
  roles: ReadonlySet<string>;
};

export function check(definition: WorkflowDefinition, known?: Known): Fault[] {
  const { inputSchema, steps, output } = definition;
  const input = typeBySchema(inputSchema);
  const level: Level = { steps, pointer: '/steps', around: { input, run: runType }, before: {}, known };
  const visible = { ...level.around, steps: outputsOf(steps, known) };
  return [
    ...schemaFaults(inputSchema, '/inputSchema'),
    ...duplicates(steps, '/steps', new Set()),
    ...levelFaults(level),
    ...(output === undefined
      ? []
      : expressionsOf({ output }).flatMap((each) => expressionFaults(each, '', visible, steps))),
  ];
}

const runType: Type = { id: 'string', conversationId: 'dyn', environment: 'string' };

/** One list of steps: the workflow's own, or those within a map or loop. */
type Level = {
  steps: WorkflowStep[];
  pointer: string;
  /** What is there whichever step it is: input, run, and within a map or loop item and index. */
  around: Variables;
  /** Steps further out that have ended by then. */
  before: { [id: string]: Type };
  known: Known | undefined;
};

function levelFaults(level: Level): Fault[] {
  const { steps, pointer } = level;
  return [
    ...orderFaults(steps, pointer),
    ...unreachable(steps, pointer),
    ...steps.flatMap((step, index) => stepFaults(step, `${pointer}/${index}`, level)),
  ];
}

function stepFaults(step: WorkflowStep, pointer: string, level: Level): Fault[] {
  const { steps, around, known } = level;
  const before = { ...level.before, ...outputsOf(stepsBefore(step, steps), known) };
  const variables = { ...around, steps: before };
  const own = expressionsOf(step).flatMap((each) => expressionFaults(each, pointer, variables, steps));
  const named = known ? namedFaults(step, pointer, known) : [];
  if (step.kind !== 'map' && step.kind !== 'loop') return [...named, ...own];
  const within = { ...around, item: itemOf(step, variables), index: 'int' };
  const inner: Level = { steps: step.steps, pointer: `${pointer}/steps`, around: within, before, known };
  return [...named, ...own, ...untilFaults(step, pointer, inner), ...levelFaults(inner)];
}

/** Asked after each round, so it may speak of the steps within. */
function untilFaults(step: WorkflowStep, pointer: string, { steps, around, before, known }: Level): Fault[] {
  if (step.kind !== 'loop') return [];
  const variables = { ...around, steps: { ...before, ...outputsOf(steps, known) } };
  return expressionFaults(
    { pointer: '/until', expression: step.until, kind: 'bool' },
    pointer,
    variables,
    steps,
  );
}

function itemOf(step: WorkflowStep, variables: Variables): Type {
  if (step.kind !== 'map') return 'dyn';
  try {
    const [, of = 'dyn'] = /^list<(string|bool|double|int)>$/.exec(typeOf(step.over, variables)) ?? [];
    return of;
  } catch {
    // The fault is told where the expression stands.
    return 'dyn';
  }
}

function expressionFaults(
  written: Written,
  pointer: string,
  variables: Variables,
  siblings: WorkflowStep[],
): Fault[] {
  const at = `${pointer}${written.pointer}`;
  if ('fault' in written) return [{ pointer: at, code: 'invalid-expression', detail: written.fault }];
  const { expression, kind } = written;
  try {
    const type = typeOf(expression, variables);
    if (fits(type, kind)) return [];
    const wanted = kind === 'bool' ? 'true or false' : 'a list';
    return [
      { pointer: at, code: 'wrong-type', detail: `must come to ${wanted}; “${expression}” comes to ${type}` },
    ];
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    return [{ pointer: at, code: 'invalid-expression', detail: explained(thrown.message, siblings) }];
  }
}

function fits(type: string, kind: 'bool' | 'list' | 'any'): boolean {
  if (kind === 'any' || type === 'dyn') return true;
  return kind === 'bool' ? type === 'bool' : type.startsWith('list') || type.startsWith('map');
}

/** A step that is there, only not before this one, is the fault people make most. */
function explained(message: string, siblings: WorkflowStep[]): string {
  const [, key] = /No such key: (\w+)/.exec(message) ?? [];
  if (!key || !siblings.some(({ id }) => id === key)) return message;
  return `${message} The step ${key} does not come before this one; name it in “after”, or a step that comes after it.`;
}

/** What steps leave behind, as expressions see it. */
function outputsOf(steps: WorkflowStep[], known: Known | undefined): { [id: string]: Type } {
  return Object.fromEntries(
    steps.map((step) => [step.id, { state: 'string', output: outputOf(step, known) }]),
  );
}

function outputOf(step: WorkflowStep, known: Known | undefined): Type {
  // A failure that is passed over, and a step that is skipped, leave something else behind.
  if (step.onFailure === 'continue' || step.when !== undefined) return 'dyn';
  if (step.kind === 'condition') return 'bool';
  if (step.kind === 'map') return 'list';
  const schema = step.kind === 'agent' ? known?.agents.get(step.agentId) : undefined;
  return schema ? typeBySchema(schema) : 'dyn';
}

function namedFaults(step: WorkflowStep, pointer: string, known: Known): Fault[] {
  const unknown = (field: string, detail: string): Fault[] => [
    { pointer: `${pointer}/${field}`, code: 'unknown', detail },
  ];
  if (step.kind === 'agent' && !known.agents.has(step.agentId))
    return unknown('agentId', `There is no agent ${step.agentId}.`);
  if (step.kind === 'tool' && known.integrations.has(step.integrationId))
    return unknown('integrationId', known.integrations.get(step.integrationId) ?? '');
  if (step.kind === 'workflow' && !known.workflows.has(step.workflowId))
    return unknown('workflowId', `There is no workflow ${step.workflowId}.`);
  if (step.kind === 'approval' && !known.roles.has(step.role))
    return unknown('role', `There is no role ${step.role}.`);
  return [];
}

/** Ids are of the whole workflow, so that steps within a map can be told from those outside. */
function duplicates(steps: WorkflowStep[], pointer: string, seen: Set<string>): Fault[] {
  return steps.flatMap((step, index) => {
    const at = `${pointer}/${index}`;
    const twice = seen.has(step.id);
    seen.add(step.id);
    const fault = {
      pointer: `${at}/id`,
      code: 'duplicate',
      detail: `names the step ${step.id} a second time`,
    };
    return [
      ...(twice ? [fault] : []),
      ...('steps' in step ? duplicates(step.steps, `${at}/steps`, seen) : []),
    ];
  });
}

/** Steps whose condition is false whatever was given, and those that come after such steps only. */
function unreachable(steps: WorkflowStep[], pointer: string): Fault[] {
  const never = new Set(steps.filter(({ when }) => when !== undefined && isFalse(when)).map(({ id }) => id));
  for (let before = -1; before !== never.size; ) {
    before = never.size;
    for (const { id, after } of steps)
      if (after.length > 0 && after.every((each) => never.has(each))) never.add(id);
  }
  return steps.flatMap(({ id }, index) =>
    never.has(id)
      ? [{ pointer: `${pointer}/${index}`, code: 'unreachable', detail: `The step ${id} can never run.` }]
      : [],
  );
}

function isFalse(expression: string): boolean {
  try {
    return evaluate(expression, {}) === false;
  } catch {
    // It speaks of something, so it may be true.
    return false;
  }
}
