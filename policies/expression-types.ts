import type { Environment } from '@marcbachmann/cel-js';
import { environment, notAnExpression, parsed } from './expression-parse.ts';
import { Refusal } from './refusal.ts';

/**
 * Whether an expression can come to anything, found out before it runs: names that are not there, fields a schema does
 * not have, operators between kinds that do not go together. What no schema tells of is `dyn`, and passes.
 */
export type Type = string | { [field: string]: Type };
export type Variables = { [name: string]: Type };

/** The kind it comes to, in CEL's words; throws a Refusal that says what is wrong with it. */
export function typeOf(expression: string, variables: Variables): string {
  parsed(expression);
  const { valid, type = 'dyn', error } = knowing(variables).check(expression);
  if (valid) return type;
  throw error ? notAnExpression(expression, error) : new Refusal('unprocessable', 'This is no expression.');
}

function knowing(variables: Variables): Environment {
  return environment((known) => {
    for (const [name, type] of Object.entries(variables))
      known.registerVariable(typeof type === 'string' ? { name, type } : { name, schema: type });
  });
}

// Deeper parts of a schema are not followed; what they hold is `dyn`.
const depthMax = 8;

/** What a JSON Schema says of the kind of a value, as far as CEL has words for it. */
export function typeBySchema(schema: unknown, depth = 0): Type {
  if (schema === null || typeof schema !== 'object' || depth > depthMax) return 'dyn';
  const { type, properties, additionalProperties, items } = schema as Record<string, unknown>;
  switch (type) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
    case 'integer':
      return 'double';
    case 'array': {
      const of = typeBySchema(items, depth + 1);
      return typeof of === 'string' && of !== 'dyn' ? `list<${of}>` : 'list';
    }
    case 'object':
      return isClosed(properties, additionalProperties) ? fieldsOf(properties, depth) : 'map';
    default:
      return 'dyn';
  }
}

/** A schema that names fields is taken to name all of them, unless it says that there may be others. */
const isClosed = (properties: unknown, others: unknown): properties is object =>
  typeof properties === 'object' &&
  properties !== null &&
  (others === undefined || others === false) &&
  Object.keys(properties).every((name) => /^[A-Za-z_]\w*$/.test(name) && name !== '__proto__');

const fieldsOf = (properties: object, depth: number): Type =>
  Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, typeBySchema(each, depth + 1)]));
