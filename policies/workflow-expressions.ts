import { Refusal } from './refusal.ts';
import { expressionsInJsonMax, partsOf, tooManyInJson } from './template.ts';
import type { WorkflowDefinition, WorkflowStep } from './workflow-definition.ts';

/** Every expression of a step, or of a workflow's output, with where it stands and what it has to come to. */
export type Written =
  | { pointer: string; expression: string; kind: 'bool' | 'list' | 'any' }
  | { pointer: string; fault: string };

export function expressionsOf(of: WorkflowStep | Pick<WorkflowDefinition, 'output'>): Written[] {
  if (!('kind' in of)) return inWhole(of.output, '/output');
  const when: Written[] =
    of.when === undefined ? [] : [{ pointer: '/when', expression: of.when, kind: 'bool' }];
  return [...when, ...ownOf(of)];
}

function ownOf(step: WorkflowStep): Written[] {
  switch (step.kind) {
    case 'agent':
      return [...inText(step.prompt, '/prompt'), ...inText(step.conversation ?? '', '/conversation')];
    case 'tool':
      return [...inText(step.path, '/path'), ...inWhole(step.body, '/body')];
    case 'condition':
      return [{ pointer: '/if', expression: step.if, kind: 'bool' }];
    case 'approval':
      return inText(step.question, '/question');
    case 'workflow':
      return inWhole(step.input, '/input');
    case 'map':
      return [{ pointer: '/over', expression: step.over, kind: 'list' }];
    case 'loop':
      // `until` is asked within, where more is there to speak of (policies/workflow-check.ts).
      return [];
  }
}

function inText(text: string, pointer: string): Written[] {
  try {
    return partsOf(text).flatMap((part) =>
      'expression' in part ? [{ pointer, expression: part.expression, kind: 'any' as const }] : [],
    );
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    return [{ pointer, fault: thrown.message }];
  }
}

function inWhole(value: unknown, pointer: string): Written[] {
  const all = inJson(value, pointer);
  return all.length > expressionsInJsonMax ? [{ pointer, fault: tooManyInJson }] : all;
}

function inJson(value: unknown, pointer: string): Written[] {
  if (typeof value === 'string') return inText(value, pointer);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, each]) =>
    inJson(each, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  );
}
