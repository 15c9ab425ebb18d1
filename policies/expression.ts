import { parsed } from './expression-parse.ts';
import { type Json, run, type Scope } from './expression-run.ts';
import { Meter } from './expression-value.ts';
import { Refusal } from './refusal.ts';
import { partsOf } from './template.ts';

/**
 * Expressions in workflows: CEL, read and type-checked by cel-js, carried out by policies/expression-run.ts, which
 * counts every step. No clock, no chance, no way to prototypes, no patterns that backtrack: the same scope gives the same
 * answer everywhere, so workflow code may evaluate them in a replay. What is refused says what to change, and never
 * repeats a value.
 */
export type { Json, Scope };

/** The value of one expression. */
export function evaluate(expression: string, scope: Scope): Json {
  return run(parsed(expression), scope);
}

/** A text with what its `{{ … }}` come to: text as it is, nothing for null, lists and maps as JSON. */
export function fill(template: string, scope: Scope, meter = Meter.forMany()): string {
  const texts = partsOf(template).map((part) =>
    'text' in part ? part.text : inWords(run(parsed(part.expression), scope, meter.next())),
  );
  const whole = texts.join('');
  if (whole.length > filledCharactersMax)
    throw new Refusal(
      'unprocessable',
      `A text grew beyond ${filledCharactersMax} characters when it was filled in.`,
    );
  return whole;
}

/**
 * JSON whose texts may hold expressions; a text that is one expression alone becomes its value, whatever that is. All of
 * them are paid for together: thousands, each within its own bounds, would hold a worker or the API for minutes.
 */
export function fillIn(value: Json, scope: Scope, meter = Meter.forMany()): Json {
  if (typeof value === 'string') {
    const [only, ...more] = partsOf(value);
    return only && 'expression' in only && more.length === 0
      ? run(parsed(only.expression), scope, meter.next())
      : fill(value, scope, meter);
  }
  if (Array.isArray(value)) return value.map((item) => fillIn(item, scope, meter));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fillIn(each, scope, meter)]));
}

// A prompt of a few hundred thousand tokens; more than any model takes.
const filledCharactersMax = 1_000_000;

function inWords(value: Json): string {
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
