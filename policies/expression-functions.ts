import { type Meter, type Value, wrong } from './expression-value.ts';

/** Functions and macros of expressions; policies/expression-parse.ts says which names lead here. */
type Function = (args: Value[], meter: Meter) => Value;

export function call(name: string, args: Value[], meter: Meter): Value {
  const made = functions[name]?.(args, meter);
  if (made === undefined) throw wrong(`${name}() was given something it does not take`);
  return made;
}

/** Of the macros that go through a list: each item is put through the steps, which were written in the expression. */
export function comprehend(
  name: string,
  items: Value[],
  steps: ((item: Value) => Value)[],
  meter: Meter,
): Value {
  const [first, second] = steps;
  if (!first || (second && name !== 'map')) throw wrong(`${name}() takes a name and one condition`);
  const holds = (item: Value) => truth(name, first(item));
  switch (name) {
    case 'all':
      return items.every(holds);
    case 'exists':
      return items.some(holds);
    case 'exists_one':
      return items.filter(holds).length === 1;
    case 'filter':
      return meter.list(items.filter(holds));
    default:
      return meter.list(second ? items.filter(holds).map(second) : items.map(first));
  }
}

function truth(name: string, value: Value): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(`the condition in ${name}() must be true or false`);
}

const functions: Record<string, Function> = {
  dyn: ([value = null]) => value,
  size: ([value = null], meter) => {
    if (typeof value === 'string') return BigInt(lettersOf(value, meter).length);
    if (value === null || typeof value !== 'object') throw wrong('size() needs a text, a list or a map');
    return BigInt(Array.isArray(value) ? value.length : Object.keys(value).length);
  },
  string: ([value = null], meter) => {
    if (value === null || typeof value === 'object')
      throw wrong('string() needs a text, a number or true or false');
    return meter.text(String(value));
  },
  int: ([value = null]) => wholeOf(value),
  double: ([value = null]) => {
    const number =
      typeof value === 'string' && value.trim() !== value
        ? Number.NaN
        : Number(value === '' ? Number.NaN : value);
    if (value === null || typeof value === 'object' || !Number.isFinite(number))
      throw wrong('double() was given no number');
    return number;
  },
  bool: ([value = null]) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    throw wrong('bool() needs true or false');
  },
  contains: (args, meter) => texts('contains', args, meter, (text, part) => text.includes(part)),
  startsWith: (args, meter) => texts('startsWith', args, meter, (text, part) => text.startsWith(part)),
  endsWith: (args, meter) => texts('endsWith', args, meter, (text, part) => text.endsWith(part)),
  indexOf: (args, meter) =>
    texts('indexOf', args, meter, (text, part) => {
      const found = text.indexOf(part);
      return found < 0 ? -1n : BigInt(lettersOf(text.slice(0, found), meter).length);
    }),
  lowerAscii: ([text = null], meter) =>
    meter.text(ofText('lowerAscii', text).replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())),
  upperAscii: ([text = null], meter) =>
    meter.text(ofText('upperAscii', text).replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())),
  trim: ([text = null], meter) => meter.text(ofText('trim', text).trim()),
  substring: ([text = null, from = 0n, to], meter) => {
    const letters = lettersOf(ofText('substring', text), meter);
    const [first, last] = [Number(from), to === undefined ? letters.length : Number(to)];
    if (!(first >= 0 && last >= first && last <= letters.length))
      throw wrong('substring() was asked for letters that are not there');
    return meter.text(letters.slice(first, last).join(''));
  },
  split: (args, meter) =>
    texts('split', args, meter, (text, by) => {
      meter.spend(text.length);
      return meter.list(by === '' ? [...text] : text.split(by));
    }),
  join: ([list = null, by = ''], meter) => {
    if (!Array.isArray(list) || typeof by !== 'string')
      throw wrong('join() needs a list of texts and a text between them');
    const parts = list.map((each) => ofText('join', each));
    // Paid before it is made: ten thousand times the same long text is a list of little weight.
    const length = parts.reduce((sum, part) => sum + part.length + by.length, 0);
    meter.spend(Math.ceil(length / 16));
    return meter.text(parts.join(by));
  },
};

function wholeOf(value: Value): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (typeof value === 'string' && /^[+-]?\d{1,18}$/.test(value)) return BigInt(value);
  throw wrong('int() was given no number');
}

function texts(
  name: string,
  [text = null, part = null]: Value[],
  meter: Meter,
  act: (text: string, part: string) => Value,
): Value {
  const [whole, piece] = [ofText(name, text), ofText(name, part)];
  meter.spend(Math.ceil((whole.length + piece.length) / 16));
  return act(whole, piece);
}

function ofText(name: string, value: Value): string {
  if (typeof value === 'string') return value;
  throw wrong(`${name}() needs a text`);
}

/** Letters, not halves of them: what is cut off must still be text. */
function lettersOf(text: string, meter: Meter): string[] {
  meter.spend(Math.ceil(text.length / 4));
  return [...text];
}
