import type { Response } from 'express';
import { type Standing, spentOf, takeOne } from '../models/rate-counter.ts';
import { systemTenantId } from '../models/system/tenant.ts';
import { noteWeight } from '../models/weights.ts';
import { planAt } from '../policies/plans.ts';
import { Refusal } from '../policies/refusal.ts';
import {
  type RateAsker,
  type RateLimit,
  type RouteClass,
  rateLimits,
  type Slowed,
} from '../policies/request-rate.ts';

/**
 * Requests a minute of an organisation, one class of its routes and one of its keys, counted by all processes together
 * (models/rate-counter.ts). Headers follow the RateLimit draft and tell of the limit that is nearest.
 */
const windowSeconds = 60;
const platform = { requestsPerMinute: 120_000, weight: 16 };

export type Asking = RateAsker & {
  cell: string;
  plan: string;
  planVersion: number;
  routeClass: RouteClass;
  slowed: Slowed;
};

/** Of operators none is sold. */
const planOf = ({ tenantId, plan, planVersion }: Asking) =>
  tenantId === systemTenantId ? platform : planAt(plan, planVersion);

const limitsOf = (asking: Asking): RateLimit[] =>
  rateLimits(planOf(asking), asking, asking.routeClass, asking.slowed);

export async function throttleTenant(response: Response, asking: Asking): Promise<void> {
  noteWeight(asking.tenantId, planOf(asking).weight);
  const { taken, nearest } = await takeOne(asking.cell, limitsOf(asking));
  tell(response, nearest);
  if (!taken) throw tooMany(nearest);
}

/** Spares a request that would be refused its look-up; whoever is refused by what is not so old is refused rightly. */
export function refuseSpent(response: Response, asking: Asking): void {
  const spent = spentOf(limitsOf(asking));
  if (!spent) return;
  tell(response, spent);
  throw tooMany(spent);
}

const whose: Record<string, string> = {
  minute: 'your organisation’s plan allows',
  'minute-key': 'this key is allowed',
  'minute-write': 'your organisation’s plan allows of those that change something',
  'minute-runs': 'your organisation’s plan allows of those that start runs',
  'minute-events': 'your organisation’s plan allows of those that report usage',
};

function tooMany({ limit, endsInMs }: Standing): Refusal {
  const retryAfterSeconds = Math.max(1, Math.ceil(endsInMs / 1000));
  const detail = `More than the ${limit.perMinute} requests a minute that ${whose[limit.name] ?? 'are allowed'}; wait ${retryAfterSeconds} s.`;
  return new Refusal('rate-limited', detail, { retryAfterSeconds });
}

function tell(response: Response, { limit, left, endsInMs }: Standing): void {
  response.setHeader('RateLimit-Policy', `"${limit.name}";q=${limit.perMinute};w=${windowSeconds}`);
  response.setHeader('RateLimit', `"${limit.name}";r=${left};t=${Math.ceil(endsInMs / 1000)}`);
}
