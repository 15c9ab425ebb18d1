import { Refusal } from './refusal.ts';

/** What expressions work with, and what they pay for it. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
/** Whole numbers written in an expression are whole: 7 / 2 is 3, and 7.0 / 2 is 3.5. Those of JSON are never so. */
export type Value = null | boolean | number | bigint | string | Value[] | { [name: string]: Value };
export type Scope = { [name: string]: Json };

// About a tenth of a second on a slow core, well below what Temporal allows workflow code between two awaits.
const budget = 300_000;
// Of a text or JSON with many of them, all together.
const budgetOfMany = 600_000;
// Reading one, whatever it then does.
const stepsToRead = 300;
const listItemsMax = 10_000;
const textCharactersMax = 1_000_000;
const depthMax = 64;

/** What the values given come to is not known beforehand, so each step is paid for when it is made. */
export class Meter {
  private left: number;

  constructor(steps = budget) {
    this.left = steps;
  }

  static forMany(): Meter {
    return new Meter(budgetOfMany);
  }

  /** One more of many. */
  next(): this {
    this.spend(stepsToRead);
    return this;
  }

  spend(steps: number): void {
    this.left -= steps;
    if (this.left < 0)
      throw wrong('it takes too long with what it was given; work on less, or in several steps');
  }

  text(made: string): string {
    if (made.length > textCharactersMax) throw wrong(`a text grew beyond ${textCharactersMax} characters`);
    this.spend(1 + Math.ceil(made.length / 16));
    return made;
  }

  list<T>(made: T[]): T[] {
    if (made.length > listItemsMax) throw wrong(`a list grew beyond ${listItemsMax} items`);
    this.spend(1 + made.length);
    return made;
  }

  /** As JSON has it. Values may share parts, so that a short expression can stand for endless text: each part is paid. */
  json(value: Value, depth = 0): Json {
    refuseDeep(depth);
    this.spend(1);
    if (typeof value === 'bigint') return Number(value);
    if (typeof value === 'number' && !Number.isFinite(value)) throw wrong('a number is not finite');
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((each) => this.json(each, depth + 1));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, this.json(each, depth + 1)]),
    );
  }
}

export function refuseDeep(depth: number): void {
  if (depth > depthMax) throw wrong(`a value is nested deeper than ${depthMax} levels`);
}

export const wrong = (what: string): Refusal =>
  new Refusal('unprocessable', `An expression failed: ${what}.`);
