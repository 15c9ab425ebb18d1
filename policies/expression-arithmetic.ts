import { type Meter, refuseDeep, type Value, wrong } from './expression-value.ts';

/** Operators of expressions. Whole numbers are CEL's: 64 bits, and refused beyond. */
const [wholeMin, wholeMax] = [-(2n ** 63n), 2n ** 63n - 1n];

export function arithmetic(operator: string, left: Value, right: Value, meter: Meter): Value {
  if (operator === '+' && typeof left === 'string' && typeof right === 'string')
    return meter.text(left + right);
  if (operator === '+' && Array.isArray(left) && Array.isArray(right)) return meter.list([...left, ...right]);
  if (typeof left === 'bigint' && typeof right === 'bigint') return whole(operator, left, right);
  if (isNumber(left) && isNumber(right)) return broken(operator, Number(left), Number(right));
  throw wrong(
    `“${operator}” needs two numbers${operator === '+' ? ', two texts or two lists; string(…) makes a text' : ''}`,
  );
}

function whole(operator: string, left: bigint, right: bigint): bigint {
  if (right === 0n && (operator === '/' || operator === '%')) throw wrong('nothing can be divided by zero');
  const result = wholes[operator]?.(left, right);
  if (result === undefined || result < wholeMin || result > wholeMax)
    throw wrong('a whole number is too large');
  return result;
}
const wholes: Record<string, (left: bigint, right: bigint) => bigint> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
};

function broken(operator: string, left: number, right: number): number {
  const result = brokens[operator]?.(left, right);
  if (result === undefined || !Number.isFinite(result)) throw wrong('a number is not finite');
  return result;
}
const brokens: Record<string, (left: number, right: number) => number> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
};

export function less(left: Value, right: Value): boolean {
  if (isNumber(left) && isNumber(right)) return left < right;
  if (typeof left === 'string' && typeof right === 'string') return left < right;
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) < Number(right);
  throw wrong('only two numbers or two texts can be put in an order');
}

export function equal(left: Value, right: Value, meter: Meter, depth = 0): boolean {
  refuseDeep(depth);
  meter.spend(1);
  if (isNumber(left) && isNumber(right)) return !(left < right) && !(right < left);
  if (typeof left === 'string' && typeof right === 'string') {
    meter.spend(Math.ceil(Math.min(left.length, right.length) / 16));
    return left === right;
  }
  if (Array.isArray(left) && Array.isArray(right))
    return (
      left.length === right.length &&
      left.every((each, at) => equal(each, right[at] ?? null, meter, depth + 1))
    );
  if (!isObject(left) || !isObject(right)) return left === right;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every(
      (name) =>
        Object.hasOwn(right, name) && equal(left[name] ?? null, right[name] ?? null, meter, depth + 1),
    )
  );
}

const isNumber = (value: Value): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint';

const isObject = (value: Value): value is { [name: string]: Value } =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
