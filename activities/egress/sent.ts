import type { Place } from '../../models/scope.ts';
import { noteUsed } from '../../models/usage-journal.ts';
import { egressReasonOf } from '../../policies/egress.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Purpose } from './egress.ts';
import { among, EgressFailure } from './failure.ts';

/** What leaves for a tenant is counted by what for and in whose name: requests as HTTP/1.1 writes them, before TLS. */
export function noteSent({ tenantId }: Place, { actor, subject }: Purpose, value: number): void {
  const by =
    actor.kind === 'api-key' ? { keyId: actor.id } : actor.kind === 'user' ? { userId: actor.id } : {};
  noteUsed(tenantId, [{ meter: 'egress.bytes', value, kind: subject.type, ...by }]);
}

/** Whether a call that failed had left: it was redirected, or the answer was what failed. */
export function hadLeft(thrown: unknown): boolean {
  const refusal = among(thrown, (cause) => cause instanceof Refusal);
  if (refusal) return ['redirect', 'size'].includes(egressReasonOf(refusal) ?? '');
  const failure = among(thrown, (cause) => cause instanceof EgressFailure);
  return failure === undefined || failure.stage === 'answer';
}

export function bytesOf(
  { pathname, search, host }: URL,
  { method = 'GET', headers, body }: RequestInit,
): number {
  const lines = [`${method} ${pathname}${search} HTTP/1.1`, `host: ${host}`];
  for (const [name, value] of new Headers(headers)) lines.push(`${name}: ${value}`);
  return Buffer.byteLength(`${lines.join('\r\n')}\r\n\r\n`) + bytesOfBody(body);
}

/** All that is sent is there as a whole; nothing is streamed. */
function bytesOfBody(body: RequestInit['body']): number {
  if (body === null || body === undefined) return 0;
  if (typeof body === 'string') return Buffer.byteLength(body);
  if (body instanceof URLSearchParams) return Buffer.byteLength(body.toString());
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return body.byteLength;
  return body instanceof Blob ? body.size : 0;
}
