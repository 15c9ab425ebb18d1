import type { Request } from 'express';
import { type JSONVisitor, visit } from 'jsonc-parser';
import { type Fault, Refusal } from '../policies/refusal.ts';

/**
 * Reads a JSON body strictly. JSON.parse would keep the last of two equal keys and let `__proto__` through; both are
 * ways to have two readers understand two different things, so they are refused with the place they stand at. So is
 * text that Postgres cannot keep or that would come back changed.
 */
const depthMax = 32;
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

function parseBody(text: string): unknown {
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

/** A JSON pointer (RFC 6901) to what a path leads to. */
export function pointerTo(path: PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Why this text can be kept nowhere: Postgres has no NUL, UTF-8 no half of a surrogate pair. */
export function textFault(text: string, pointer: string): Fault[] {
  if (!text.includes('\0') && text.isWellFormed()) return [];
  const detail = 'It holds a NUL or half of a character.';
  return [{ pointer, code: 'forbidden-character', detail }];
}

/**
 * Counted before anything parses: parsers recurse, and a body of nothing but brackets would exhaust the stack. Letter
 * by letter, because a pattern for texts takes minutes over 256 KiB of escaped quotes that never end.
 */
function refuseDeep(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const mark = text[at];
    if (mark === '"') quoted = !quoted;
    else if (quoted) at += mark === '\\' ? 1 : 0;
    else if (mark === '{' || mark === '[') depth++;
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
      const pointer = pointerTo([...path(), key]);
      if (open.at(-1)?.has(key))
        faults.push({ pointer, code: 'duplicate-key', detail: `“${key}” stands here twice.` });
      if (forbiddenKeys.has(key))
        faults.push({ pointer, code: 'forbidden-key', detail: `“${key}” is not accepted as a name.` });
      open.at(-1)?.add(key);
    },
    onLiteralValue: (value, _offset, _length, _line, _column, path) => {
      if (typeof value === 'string') faults.push(...textFault(value, pointerTo(path())));
    },
  };
}

type Forms = { csv?: (text: string) => unknown; otherwise?: Record<string, (sent: unknown) => unknown> };

export function bodyOf(request: Request, { csv, otherwise = {} }: Forms = {}): unknown {
  if (typeof request.body === 'string') {
    if (csv && request.is('text/csv')) return csv(request.body);
    const sent = parseBody(request.body);
    const [, as] = Object.entries(otherwise).find(([type]) => request.is(type)) ?? [];
    return as ? as(sent) : sent;
  }
  const length = request.headers['content-length'];
  if ((length !== undefined && length !== '0') || request.headers['transfer-encoding'] !== undefined) {
    throw new Refusal(
      'unsupported-media-type',
      `Send the body as application/json${csv ? ' or text/csv' : ''}.`,
    );
  }
  return undefined;
}
