import type { Plan } from './plans.ts';

/**
 * How many requests a minute whom: an organisation as a whole by its plan, of one class of routes a share of that, and
 * a key no more than was said of it. Which class a route is of stands in its declaration, or follows from its method.
 */
export const routeClasses = ['read', 'write', 'runs', 'events'] as const;
export type RouteClass = (typeof routeClasses)[number];

export function routeClassOf({
  method,
  routeClass,
}: {
  method: string;
  routeClass?: RouteClass | undefined;
}): RouteClass {
  return routeClass ?? (method === 'get' ? 'read' : 'write');
}

/** What a share of the plan's rate is called, and of how many it consists; a class without one has all. */
export type RequestShares = { [Class in RouteClass]?: number };

export type RateLimit = {
  /** As the RateLimit headers name it. */
  name: string;
  /** What is counted together, by all processes. */
  counter: string;
  perMinute: number;
};

export type RateAsker = {
  tenantId: string;
  /** The key or session, and what was said of the key. */
  credentialId: string;
  keyPerMinute?: number | undefined;
};

/**
 * Factors up to 1, for an organisation and for what one key or person may ask. `whose` is the key or person that is
 * slowed: whatever sessions and keys a person has are counted together, or the next one would have a rate of its own.
 */
export type Slowed = { tenant: number; credential: number; whose?: string | undefined };
export const unslowed: Slowed = { tenant: 1, credential: 1 };

export function rateLimits(
  plan: Pick<Plan, 'requestsPerMinute' | 'requestShares'>,
  asker: RateAsker,
  routeClass: RouteClass,
  slowed: Slowed = unslowed,
): RateLimit[] {
  const { tenantId, credentialId, keyPerMinute } = asker;
  const most = (rate: number, ...factors: number[]) =>
    Math.max(1, Math.floor(factors.reduce((left, factor) => left * factor, rate)));
  const { requestsPerMinute: whole, requestShares: { [routeClass]: share = 1 } = {} } = plan;
  const limits = [{ name: 'minute', counter: tenantId, perMinute: most(whole, slowed.tenant) }];
  if (share < 1) {
    const perMinute = most(whole, share, slowed.tenant);
    limits.push({ name: `minute-${routeClass}`, counter: `${tenantId} ${routeClass}`, perMinute });
  }
  const own = (id: string, rate: number) =>
    limits.push({
      name: 'minute-key',
      counter: `${tenantId} ${id}`,
      perMinute: most(rate, slowed.credential),
    });
  if (keyPerMinute !== undefined) own(credentialId, Math.min(keyPerMinute, whole));
  const { whose = credentialId } = slowed;
  if (slowed.credential < 1 && !(keyPerMinute !== undefined && whose === credentialId)) own(whose, whole);
  return limits;
}
