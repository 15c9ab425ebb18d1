import type { Response } from 'express';
import ipaddr from 'ipaddr.js';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { config } from '../models/databases.ts';
import { systemTenantId } from '../models/system/tenant.ts';
import { planAt } from '../policies/plans.ts';
import { Refusal } from '../policies/refusal.ts';

/** Requests a minute: per tenant by its plan, per address without a credential. Headers follow the RateLimit draft. */
const windowSeconds = 60;
const platformPerMinute = 120_000;

const limiters = new Map<number, RateLimiterMemory>();

function limiter(points: number): RateLimiterMemory {
  const known = limiters.get(points);
  if (known) return known;
  const made = new RateLimiterMemory({ points, duration: windowSeconds });
  limiters.set(points, made);
  return made;
}

export async function throttleTenant(
  response: Response,
  who: { tenantId: string; plan: string; planVersion: number },
): Promise<void> {
  const points =
    who.tenantId === systemTenantId ? platformPerMinute : planAt(who.plan, who.planVersion).requestsPerMinute;
  await consume(response, points, who.tenantId);
}

/** Counted apart: somebody's expired key, or a page that asks where it is, must not keep a colleague from signing in. */
export type Purpose = 'sign-in' | 'guess' | 'context' | 'discovery';
const keyOf = (purpose: Purpose, source: string) => `${purpose} ${bySubnet(source)}`;

export async function throttleAddress(response: Response, source: string, purpose: Purpose): Promise<void> {
  await consume(response, config().http.anonymousPerMinute, keyOf(purpose, source));
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
