import { type JSONVisitor, visit } from 'jsonc-parser';
import { type Fault, Refusal } from '../policies/refusal.ts';

/**
 * Reads a JSON body strictly. JSON.parse would keep the last of two equal keys and let `__proto__` through; both are
 * ways to have two readers understand two different things, so they are refused with the place they stand at.
 */
const depthMax = 32;
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

export function parseBody(text: string): unknown {
  if (text.trim() === '') return undefined;
  refuseDeep(text);
  const faults: Fault[] = [];
  visit(text, strictness(faults), { disallowComments: true, allowTrailingComma: false });
  if (faults.length > 0)
    throw new Refusal('invalid-request', 'The body is not acceptable JSON.', { errors: faults });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notJson(cause);
  }
}

function notJson(cause: unknown): Refusal {
  const detail = cause instanceof Error ? cause.message : 'It is not JSON.';
  return new Refusal('invalid-request', 'The body is not JSON.', {
    cause,
    errors: [{ pointer: '', code: 'not-json', detail }],
  });
}

/** Counted before anything parses: parsers recurse, and a body of nothing but brackets would exhaust the stack. */
function refuseDeep(text: string): void {
  let depth = 0;
  for (const [mark] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/g)) {
    if (mark === '{' || mark === '[') depth++;
    else if (mark === '}' || mark === ']') depth--;
    if (depth > depthMax)
      throw new Refusal('invalid-request', `The body is nested deeper than ${depthMax} levels.`);
  }
}

function strictness(faults: Fault[]): JSONVisitor {
  const open: Set<string>[] = [];
  return {
    onObjectBegin: () => {
      open.push(new Set());
    },
    onObjectEnd: () => {
      open.pop();
    },
    onObjectProperty: (key, _offset, _length, _line, _column, path) => {
      const pointer = `/${[...path(), key].map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
      if (open.at(-1)?.has(key))
        faults.push({ pointer, code: 'duplicate-key', detail: `“${key}” stands here twice.` });
      if (forbiddenKeys.has(key))
        faults.push({ pointer, code: 'forbidden-key', detail: `“${key}” is not accepted as a name.` });
      open.at(-1)?.add(key);
    },
  };
}
