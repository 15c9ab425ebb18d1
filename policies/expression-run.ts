import type { ASTNode } from '@marcbachmann/cel-js';
import { arithmetic, equal, less } from './expression-arithmetic.ts';
import { call, comprehend } from './expression-functions.ts';
import { comprehensions } from './expression-parse.ts';
import { type Json, Meter, type Scope, type Value, wrong } from './expression-value.ts';

/**
 * Carries an expression out, node by node, over values of JSON. cel-js' own evaluator cannot be stopped: ten short
 * lists within one another, or a text doubled forty times, would hold a worker for hours. Here each step and each
 * letter made is paid for from a budget. As in CEL, except that && and || look at their left side first and at the
 * right one only when they have to, also when one of them is at fault.
 */
export type { Json, Scope };

export function run(tree: ASTNode, scope: Scope, meter = new Meter()): Json {
  return meter.json(value(tree, new Map(Object.entries(scope)), meter));
}

type Names = ReadonlyMap<string, Value>;

function value(node: ASTNode, names: Names, meter: Meter): Value {
  meter.spend(1);
  const of = (child: ASTNode) => value(child, names, meter);
  switch (node.op) {
    case 'value':
      return literal(node.args);
    case 'id':
      return named(node.args, names);
    case '.':
      return field(of(node.args[0]), node.args[1]);
    case '[]':
      return at(of(node.args[0]), of(node.args[1]));
    case 'list':
      return node.args.map(of);
    case 'map':
      return Object.fromEntries(node.args.map(([name, each]) => [newKey(of(name)), of(each)]));
    case '?:':
      return truth(of(node.args[0])) ? of(node.args[1]) : of(node.args[2]);
    case '&&':
      return truth(of(node.args[0])) && truth(of(node.args[1]));
    case '||':
      return truth(of(node.args[0])) || truth(of(node.args[1]));
    case '!_':
      return !truth(of(node.args));
    case '-_':
      return negative(of(node.args));
    case 'call':
      return node.args[0] === 'has' ? has(node.args[1], of) : call(node.args[0], node.args[1].map(of), meter);
    case 'rcall':
      return method(node.args, names, meter);
    default:
      return binary(node, of, meter);
  }
}

function method([name, on, args]: [string, ASTNode, ASTNode[]], names: Names, meter: Meter): Value {
  const receiver = value(on, names, meter);
  if (!comprehensions.has(name))
    return call(name, [receiver, ...args.map((each) => value(each, names, meter))], meter);
  const [item, ...bodies] = args;
  if (item?.op !== 'id' || bodies.length === 0)
    throw wrong(`${name}() takes a name and what is done with it`);
  const steps = bodies.map(
    (body) => (each: Value) => value(body, new Map(names).set(item.args, each), meter),
  );
  return comprehend(name, itemsOf(receiver), steps, meter);
}

function itemsOf(receiver: Value): Value[] {
  if (Array.isArray(receiver)) return receiver;
  if (isMap(receiver)) return Object.keys(receiver);
  throw wrong('map, filter, all and exists need a list');
}

function binary(node: ASTNode, of: (child: ASTNode) => Value, meter: Meter): Value {
  if (!Array.isArray(node.args)) throw wrong(`${node.op} is not offered`);
  // The switch in `value` has taken every node but those with two sides.
  const [left, right] = (node.args as [ASTNode, ASTNode]).map(of) as [Value, Value];
  switch (node.op) {
    case '==':
      return equal(left, right, meter);
    case '!=':
      return !equal(left, right, meter);
    case 'in':
      return isIn(left, right, meter);
    case '<':
      return less(left, right);
    case '>':
      return less(right, left);
    case '<=':
      return less(left, right) || equal(left, right, meter);
    case '>=':
      return less(right, left) || equal(left, right, meter);
    default:
      return arithmetic(node.op, left, right, meter);
  }
}

function isIn(item: Value, all: Value, meter: Meter): boolean {
  if (Array.isArray(all)) return all.some((each) => equal(item, each, meter));
  if (isMap(all)) return Object.hasOwn(all, keyOf(item));
  throw wrong('“in” needs a list or a map on its right');
}

function literal(args: unknown): Value {
  if (args === null) return null;
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof args))
    return args as string | number | bigint | boolean;
  throw wrong('bytes and unsigned numbers are not offered');
}

function named(name: string, names: Names): Value {
  const found = names.get(name);
  if (found === undefined) throw wrong(`there is nothing called ${name} here`);
  return found;
}

function field(of: Value, name: string): Value {
  if (!isMap(of)) throw wrong(`.${name} was asked of something that has no fields`);
  // Only what is the object's own: no way leads to a prototype.
  const found = Object.hasOwn(of, name) ? of[name] : undefined;
  if (found === undefined) throw wrong(`there is no field ${name}; has(….${name}) tells whether there is`);
  return found;
}

function at(of: Value, key: Value): Value {
  if (!Array.isArray(of)) return field(of, keyOf(key));
  const index = Number(key);
  if (typeof key === 'string' || !Number.isInteger(index)) throw wrong('a place in a list is a whole number');
  const found = of[index];
  if (found === undefined) throw wrong(`the list has no place ${index}; it begins at 0`);
  return found;
}

function has([asked]: ASTNode[], of: (child: ASTNode) => Value): boolean {
  if (asked?.op !== '.') throw wrong('has() takes a field, as in has(input.name)');
  const [owner, name] = asked.args;
  const found = of(owner);
  return isMap(found) && Object.hasOwn(found, name) && found[name] !== undefined;
}

function keyOf(key: Value): string {
  if (typeof key === 'string') return key;
  throw wrong('the names in a map are texts');
}

/** A field of that name would be taken for the prototype by whoever copies the map carelessly. */
function newKey(key: Value): string {
  if (key === '__proto__') throw wrong('a map cannot have the name __proto__');
  return keyOf(key);
}

function truth(of: Value): boolean {
  if (typeof of === 'boolean') return of;
  throw wrong('a condition must be true or false');
}

function negative(of: Value): Value {
  if (typeof of === 'number' || typeof of === 'bigint') return -of;
  throw wrong('only a number can be negative');
}

function isMap(of: Value): of is { [name: string]: Value } {
  return of !== null && typeof of === 'object' && !Array.isArray(of);
}
