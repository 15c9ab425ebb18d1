import { fillIn, type Json } from './expression.ts';
import { parsed } from './expression-parse.ts';
import { type Fault, Refusal } from './refusal.ts';
import { expressionsInJsonMax, partsOf, tooManyInJson } from './template.ts';

/**
 * What becomes of a message from outside: the input of a run. Without a mapping it is the message itself; with one,
 * JSON whose texts may hold expressions over `body` and `message`.
 */
export type Message = { body: Record<string, Json>; message: { id: string; at: string } };

export function inputFor(mapping: Record<string, Json>, given: Message): Json {
  return Object.keys(mapping).length === 0 ? given.body : fillIn(mapping, given);
}

/** Every expression of a mapping that cannot be read, with where it stands. */
export function mappingFaults(mapping: Json): Fault[] {
  const counted = { expressions: 0 };
  const faults = faultsIn(mapping, '/input', counted);
  if (counted.expressions <= expressionsInJsonMax) return faults;
  return [{ pointer: '/input', code: 'expression', detail: tooManyInJson }];
}

type Counted = { expressions: number };

function faultsIn(value: Json, pointer: string, counted: Counted): Fault[] {
  if (typeof value === 'string') return textFaults(value, pointer, counted);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, each]) =>
    faultsIn(each, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, counted),
  );
}

function textFaults(text: string, pointer: string, counted: Counted): Fault[] {
  try {
    for (const part of partsOf(text)) {
      if (!('expression' in part)) continue;
      counted.expressions += 1;
      if (counted.expressions <= expressionsInJsonMax) parsed(part.expression);
    }
    return [];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [{ pointer, code: 'expression', detail: error.message }];
  }
}
