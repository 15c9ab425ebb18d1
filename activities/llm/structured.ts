import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { ModelFailure, type Tokens } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';
import { TimeSpent, withinTime } from '../../policies/time-limit.ts';
import type { JsonSchema } from './generation.ts';

/**
 * A model's answer as JSON of the shape that was asked for. Both are strangers' work, so the look at both has a time
 * limit (policies/time-limit.ts).
 */
const textMax = 1024 * 1024;
const schemaMax = 64 * 1024;

export function parsed(text: string, schema: JsonSchema, usage: Tokens): unknown {
  const value = text.length > textMax ? undefined : jsonIn(text);
  if (!isOfShape(schema, value)) throw new ModelFailure('not-understood', { usage });
  return value;
}

function isOfShape(schema: JsonSchema, value: unknown): boolean {
  try {
    const valid = withinTime(() => validatorOf(schema));
    return value !== undefined && withinTime(() => valid(value));
  } catch (cause) {
    if (cause instanceof TimeSpent) throw unusable('takes too long to compare an answer with');
    throw cause;
  }
}

function validatorOf(schema: JsonSchema): ValidateFunction {
  if (JSON.stringify(schema).length > schemaMax) throw unusable('is longer than 64 kB');
  const ajv = new Ajv2020({ strict: false, logger: false, validateSchema: false, validateFormats: false });
  const { $schema: _, ...bare } = schema;
  try {
    return ajv.compile(bare);
  } catch {
    throw unusable('is no JSON Schema (draft 2020-12)');
  }
}

const unusable = (why: string) => new Refusal('unprocessable', `The output schema ${why}; correct it.`);

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
