import type { Fault, RefusalCode } from '../policies/refusal.ts';
import { Refusal } from '../policies/refusal.ts';

/** The only place that turns what was thrown into a status and a problem document (RFC 9457). */
const problems: Record<RefusalCode, { status: number; title: string }> = {
  'invalid-request': { status: 400, title: 'The request is not well formed' },
  unauthenticated: { status: 401, title: 'A valid credential is needed' },
  'second-factor-required': { status: 401, title: 'A code of the second factor is needed' },
  forbidden: { status: 403, title: 'This is not allowed' },
  'tenant-suspended': { status: 403, title: 'This organisation is suspended' },
  'tenant-mismatch': { status: 403, title: 'The request names two tenants' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'method-not-allowed': { status: 405, title: 'This method is not offered here' },
  conflict: { status: 409, title: 'This conflicts with what is there' },
  'operation-running': { status: 409, title: 'Another operation is under way' },
  'precondition-failed': { status: 412, title: 'It has changed meanwhile' },
  'too-large': { status: 413, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, title: 'This media type is not understood' },
  misdirected: { status: 421, title: 'This is served elsewhere' },
  unprocessable: { status: 422, title: 'The request cannot be carried out' },
  'idempotency-mismatch': { status: 422, title: 'This Idempotency-Key was used for something else' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'quota-exceeded': { status: 429, title: 'A limit has been reached' },
  restricted: { status: 429, title: 'This is restricted for now' },
  'key-unusable': { status: 503, title: 'The organisation’s own key cannot be used' },
  unavailable: { status: 503, title: 'A part of the service does not answer' },
};

export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors?: Fault[];
  [member: string]: unknown;
};

export function statusOf(code: RefusalCode): number {
  return problems[code].status;
}

/** A refusal tells the caller what to do, and where to ask why; anything else tells only by which id to ask about it. */
export function problemOf(thrown: unknown, requestId: string, explanation?: string): Problem {
  if (thrown instanceof Refusal) {
    const { status, title } = problems[thrown.code];
    return {
      type: `/docs/problems/${thrown.code}`,
      title,
      status,
      detail: thrown.message,
      code: thrown.code,
      requestId,
      ...(explanation && { explanation }),
      ...(thrown.errors.length > 0 && { errors: thrown.errors }),
      ...thrown.extra,
    };
  }
  return {
    type: '/docs/problems/internal',
    title: 'Something went wrong on our side',
    status: 500,
    detail: `Nothing you can change about it; report it with request id ${requestId}.`,
    code: 'internal',
    requestId,
  };
}

/** What the pages at /docs/problems/ are made from. */
export const problemCodes = Object.entries({
  ...problems,
  internal: { status: 500, title: 'Something went wrong on our side' },
}).map(([code, told]) => ({ ...told, code: code as RefusalCode | 'internal' })); // Object.entries widens the keys
