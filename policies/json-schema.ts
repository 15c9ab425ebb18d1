import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Fault } from './refusal.ts';
import { withinTime } from './time-limit.ts';

/**
 * JSON Schemas that tenants write: of a tool's arguments, a run's input, an agent's answer. Refused are references to
 * elsewhere and patterns, which a worker could be made to spend minutes on; enum, format and lengths serve instead.
 */
const schemaCharactersMax = 50_000;
const refusedWords = ['pattern', 'patternProperties'];
// Keywords under which names are the author's own, not words of JSON Schema.
const namesBelow = new Set([
  'properties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'enum',
  'const',
  'default',
  'examples',
]);

function checker(validateSchema: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    validateFormats: true,
    validateSchema,
    addUsedSchema: false,
    logger: false,
  });
  // The package is CommonJS; its default export is the function itself.
  (addFormats as unknown as (to: Ajv2020) => void)(ajv);
  return ajv;
}
/** For what JSON Schema itself says of schemas, which takes long to compile: once, and never under a time limit. */
const checking = checker(true);

/** What JSON Schema itself says of it. */
export function malformations(schema: Record<string, unknown>): ErrorObject[] {
  return checking.validateSchema(schema) === true ? [] : (checking.errors ?? []).slice(0, 20);
}

/**
 * Of a schema without malformations. It is made anew each time: a kept one would be kept for all tenants, and one whose
 * compilation was cut off by a time limit cannot be used again.
 */
export const compiled = (schema: Record<string, unknown>): ValidateFunction => checker(false).compile(schema);

/** What is wrong with a schema; none is no fault. */
export function schemaFaults(schema: Record<string, unknown>, pointer: string): Fault[] {
  const fault = (at: string, detail: string): Fault => ({
    pointer: `${pointer}${at}`,
    code: 'invalid-schema',
    detail,
  });
  if (JSON.stringify(schema).length > schemaCharactersMax)
    return [fault('', `must have at most ${schemaCharactersMax} characters as JSON`)];
  const foreign = strangeWords(schema, '').map(({ at, detail }) => fault(at, detail));
  if (foreign.length > 0) return foreign;
  const malformed = malformations(schema);
  if (malformed.length > 0)
    return malformed.map((error) =>
      fault(error.instancePath, `${sentenceOf(error)}, by JSON Schema 2020-12`),
    );
  try {
    withinTime(() => compiled(schema));
    return [];
  } catch (cause) {
    return [
      fault(
        '',
        `is no JSON Schema that can be used: ${cause instanceof Error ? cause.message : 'it cannot be read'}`,
      ),
    ];
  }
}

const sentenceOf = ({ message = 'is not acceptable', keyword, params }: ErrorObject): string =>
  keyword === 'additionalProperties'
    ? `must not have the field ${String(params.additionalProperty)}`
    : message;

function strangeWords(part: unknown, at: string, named = false): { at: string; detail: string }[] {
  if (Array.isArray(part)) return part.flatMap((each, index) => strangeWords(each, `${at}/${index}`));
  if (part === null || typeof part !== 'object') return [];
  return Object.entries(part).flatMap(([word, below]) => {
    const here = `${at}/${word.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (named) return strangeWords(below, here);
    if (['enum', 'const', 'default', 'examples'].includes(word)) return [];
    const detail = strange(word, below);
    return [...(detail ? [{ at: here, detail }] : []), ...strangeWords(below, here, namesBelow.has(word))];
  });
}

/** What stands under default, const and the like is not looked at, so nothing may refer to it as to a schema. */
const referring = /^#($|\/(\$defs|definitions)\/[^/]+$|[A-Za-z_][\w.-]*$)/;

function strange(word: string, value: unknown): string | undefined {
  if (refusedWords.includes(word)) return `${word} is not offered; use enum, format, minLength or maxLength`;
  if (['$ref', '$dynamicRef'].includes(word) && !(typeof value === 'string' && referring.test(value)))
    return 'may only be #, #/$defs/… or the #anchor of a part of this schema';
  if (
    ['$id', '$schema', '$anchor', '$dynamicAnchor', '$vocabulary'].includes(word) &&
    word !== '$schema' &&
    word !== '$anchor'
  )
    return `${word} is not offered; schemas stand by themselves`;
  if (word === '$schema' && value !== 'https://json-schema.org/draft/2020-12/schema')
    return 'must be https://json-schema.org/draft/2020-12/schema, or be left out';
  return undefined;
}
