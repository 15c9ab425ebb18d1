import type { Response } from 'express';
import ipaddr from 'ipaddr.js';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { config } from '../models/databases.ts';
import { Refusal } from '../policies/refusal.ts';

/** Requests a minute per address without a credential, in each process; those of tenants are in api/request-rate.ts. */
const windowSeconds = 60;

const limiters = new Map<number, RateLimiterMemory>();

function limiter(points: number): RateLimiterMemory {
  const known = limiters.get(points);
  if (known) return known;
  const made = new RateLimiterMemory({ points, duration: windowSeconds });
  limiters.set(points, made);
  return made;
}

/** Counted apart: somebody's expired key, or a page that asks where it is, must not keep a colleague from signing in. */
export type Purpose = 'sign-in' | 'guess' | 'context' | 'discovery';
const keyOf = (purpose: Purpose, source: string) => `${purpose} ${bySubnet(source)}`;

export async function throttleAddress(response: Response, source: string, purpose: Purpose): Promise<void> {
  await consume(response, config().http.anonymousPerMinute, keyOf(purpose, source));
}

/** Messages a minute to one trigger; only those that are believed count, so nobody else can use them up. */
const messagesPerMinute = 300;

export async function throttleTrigger(response: Response, triggerId: string): Promise<void> {
  await consume(response, messagesPerMinute, triggerId);
}

const mailWindowSeconds = 900;
const mails = new RateLimiterMemory({ points: 3, duration: mailWindowSeconds });

/** Whether one more mail may go where nobody may have asked for it; told to no caller, who could learn from it. */
export async function underMailRate(emailHash: string): Promise<boolean> {
  return mails.consume(emailHash).then(
    () => true,
    (thrown: unknown) => {
      if (thrown instanceof RateLimiterRes) return false;
      throw thrown;
    },
  );
}

const testsPerMinute = 10;
const tests = new RateLimiterMemory({ points: testsPerMinute, duration: windowSeconds });

/** A test costs the organisation money at a stranger, or a process seconds of its time: nobody has it made in a loop. */
export async function throttleTest(subjectId: string): Promise<void> {
  try {
    await tests.consume(subjectId);
  } catch (thrown) {
    if (!(thrown instanceof RateLimiterRes)) throw thrown;
    const retryAfterSeconds = Math.max(1, Math.ceil(thrown.msBeforeNext / 1000));
    const detail = `More than ${testsPerMinute} tests of this in a minute; wait ${retryAfterSeconds} s.`;
    throw new Refusal('rate-limited', detail, { retryAfterSeconds });
  }
}

/** Refuses an address that has guessed too often before its next guess costs a look-up. */
export async function refuseGuesser(response: Response, source: string): Promise<void> {
  const points = config().http.anonymousPerMinute;
  const counted = await limiter(points).get(keyOf('guess', source));
  if (counted && counted.consumedPoints > points) throw tooMany(response, points, counted);
}

/** One household or server owns a whole /64 of IPv6, so that is what counts as one address. */
export function bySubnet(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === 'ipv6' ? parsed.toByteArray().slice(0, 8).join('.') : parsed.toString();
}

/** A network is larger than an address: whoever comes from all of one is still in one place. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed
    .toByteArray()
    .slice(0, parsed.kind() === 'ipv6' ? 6 : 3)
    .join('.');
}

async function consume(response: Response, points: number, key: string): Promise<void> {
  try {
    tell(response, points, await limiter(points).consume(key));
  } catch (thrown) {
    if (!(thrown instanceof RateLimiterRes)) throw thrown;
    throw tooMany(response, points, thrown);
  }
}

function tooMany(response: Response, points: number, counted: RateLimiterRes): Refusal {
  tell(response, points, counted);
  const retryAfterSeconds = Math.max(1, Math.ceil(counted.msBeforeNext / 1000));
  return new Refusal(
    'rate-limited',
    `More than ${points} requests in a minute; wait ${retryAfterSeconds} s.`,
    {
      retryAfterSeconds,
    },
  );
}

function tell(response: Response, points: number, { remainingPoints, msBeforeNext }: RateLimiterRes): void {
  response.setHeader('RateLimit-Policy', `"minute";q=${points};w=${windowSeconds}`);
  response.setHeader(
    'RateLimit',
    `"minute";r=${Math.max(0, remainingPoints)};t=${Math.ceil(msBeforeNext / 1000)}`,
  );
}

const checkWindowSeconds = 60;
const checksPerWindow = 20;
const checks = new RateLimiterMemory({ points: checksPerWindow, duration: checkWindowSeconds });

/** Trying out addresses is no way to look around in somebody's network. */
export async function throttleChecks(tenantId: string): Promise<void> {
  await checks.consume(tenantId).catch((thrown: unknown) => {
    if (!(thrown instanceof RateLimiterRes)) throw thrown;
    const retryAfterSeconds = Math.max(1, Math.ceil(thrown.msBeforeNext / 1000));
    throw new Refusal(
      'rate-limited',
      `More than ${checksPerWindow} integrations were tried in a minute; wait ${retryAfterSeconds} s.`,
      { retryAfterSeconds },
    );
  });
}
