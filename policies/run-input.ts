import { compiled, malformations } from './json-schema.ts';
import type { Fault } from './refusal.ts';
import { TimeSpent, withinTime } from './time-limit.ts';

/** Whether an input is what a JSON Schema asks for: all faults at once, each with where it stands. */
const faultsMax = 50;

export function inputFaults(schema: Record<string, unknown>, input: unknown): Fault[] {
  const { $id: _, ...nameless } = schema;
  // A draft may have faults, and be run.
  const [malformed] = malformations(nameless);
  if (malformed) return [unusable(`${malformed.instancePath} ${malformed.message}`)];
  try {
    return withinTime(() => faultsBy(nameless, input));
  } catch (cause) {
    if (!(cause instanceof TimeSpent)) return [unusable(cause instanceof Error ? cause.message : 'unknown')];
    const detail = 'takes too long to be compared with its schema; make the schema simpler, or send less';
    return [{ pointer: '', code: 'schema-too-slow', detail }];
  }
}

const unusable = (why: string): Fault => ({
  pointer: '',
  code: 'invalid-schema',
  detail: `cannot be compared with its schema, which has a fault (${why.trim()}); correct the schema`,
});

function faultsBy(schema: Record<string, unknown>, input: unknown): Fault[] {
  const valid = compiled(schema);
  if (valid(input)) return [];
  return (valid.errors ?? []).slice(0, faultsMax).map(({ instancePath, keyword, message, params }) => ({
    pointer: pointerOf(instancePath, params),
    code: keyword,
    detail: message ?? 'is not acceptable',
  }));
}

function pointerOf(path: string, params: Record<string, unknown>): string {
  const { missingProperty: missing, additionalProperty: unknown } = params;
  const named = missing ?? unknown;
  return typeof named === 'string' ? `${path}/${named.replaceAll('~', '~0').replaceAll('/', '~1')}` : path;
}
