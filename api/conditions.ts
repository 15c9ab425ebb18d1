import type { Request } from 'express';
import { Refusal } from '../policies/refusal.ts';

/** What a request says of its circumstances: the version it is about, how long its sender would wait, what it is for. */

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

const purposeMax = 200;

/** X-Purpose: what somebody reads for what is sealed. It goes to the trail as it was said. */
export function purposeOf(request: Request): string | undefined {
  const said = String(request.headers['x-purpose'] ?? '').trim();
  return said === '' ? undefined : said.slice(0, purposeMax);
}
