import type { Request } from 'express';
import { Refusal } from '../policies/refusal.ts';

/** What a request asks of its circumstances: the version it is about, and how long its sender would wait. */

/** One of ours is a number in quotes; another, or a list, matches nothing. What is no ETag at all is a mistake. */
export function ifMatchOf(request: Request): number | undefined {
  const header = request.headers['if-match'];
  if (header === undefined || header === '*') return undefined;
  const match = /^"(\d+)"$/.exec(header);
  if (match) return Number(match[1]);
  const wellFormed = /^(W\/)?"[^"]*"/.test(header);
  throw new Refusal(
    wellFormed ? 'precondition-failed' : 'invalid-request',
    'If-Match takes one ETag as it was given, for example "3".',
  );
}

// Below the 25 s that a process which is told to stop waits for its answers (main.ts).
const waitSecondsMax = 20;

export function waitOf(request: Request): number {
  const match = /(?:^|[,\s])wait=(\d{1,3})/.exec(String(request.headers.prefer ?? ''));
  return match ? Math.min(Number(match[1]), waitSecondsMax) : 0;
}
