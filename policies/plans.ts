import type { PlanLimit } from './quotas.ts';
import type { RequestShares } from './request-rate.ts';

/**
 * The one table of what a plan gives. A changed row gets a higher version; a tenant stays on its version until
 * it is moved. Limits are counts, except bytes and days where the name says so; `weight` is the tenant's share
 * of a busy queue (Temporal fairness weight), prices and service levels come with billing.
 */
export type Plan = {
  name: string;
  version: number;
  title: string;
  limits: { [Name in PlanLimit]?: number };
  weight: number;
  /** Requests a minute of all a tenant's people and keys together, at all API processes. */
  requestsPerMinute: number;
  /** Of those, how much one class of routes may take up. */
  requestShares?: RequestShares;
  /** Operations that may be under way at once; invitations that wait for people are some. */
  operationsAtOnce?: number;
  /** Days a deletion waits before anything is destroyed. */
  deletionGraceDays: number;
  settings: Record<string, string | number | boolean>;
  prices?: Prices;
};

/** In minor units of the currency: a month of the plan, and for each limit what so many units more of it cost a month. */
export type Prices = {
  currency: 'EUR';
  monthMinor: number;
  more: { [Name in PlanLimit]?: { units: number; minor: number } };
};

const gibibyte = 1024 ** 3;

const firstVersions: Plan[] = [
  {
    name: 'free',
    version: 1,
    title: 'Free',
    limits: { agents: 5, seats: 3, runs: 1_000, storageBytes: gibibyte },
    weight: 1,
    requestsPerMinute: 600,
    deletionGraceDays: 7,
    settings: { 'sessions.hours': 12, 'retention.auditDays': 90 },
  },
  {
    name: 'team',
    version: 1,
    title: 'Team',
    limits: { agents: 100, seats: 25, runs: 50_000, storageBytes: 50 * gibibyte },
    weight: 4,
    requestsPerMinute: 6_000,
    deletionGraceDays: 14,
    settings: { 'sessions.hours': 12, 'retention.auditDays': 365 },
  },
  {
    name: 'business',
    version: 1,
    title: 'Business',
    limits: { agents: 2_000, seats: 500, runs: 1_000_000, storageBytes: 1_024 * gibibyte },
    weight: 16,
    requestsPerMinute: 1_200_000,
    deletionGraceDays: 30,
    settings: { 'sessions.hours': 12, 'retention.auditDays': 2_555 },
  },
];

/** Since tokens are metered, every plan limits them, and says what it costs and what more costs. */
const monthlyTokens: Record<string, number> = {
  free: 2_000_000,
  team: 500_000_000,
  business: 20_000_000_000,
};
const monthMinor: Record<string, number> = { free: 0, team: 49_00, business: 990_00 };
const more: Prices['more'] = {
  agents: { units: 10, minor: 5_00 },
  seats: { units: 1, minor: 12_00 },
  runs: { units: 1_000, minor: 2_00 },
  tokens: { units: 1_000_000, minor: 40 },
  storageBytes: { units: gibibyte, minor: 25 },
};
/** So that a loop of one kind leaves room for the others: whoever starts runs or reports events can still look. */
const requestShares: RequestShares = { write: 0.5, runs: 0.25, events: 0.5 };
const operationsAtOnce: Record<string, number> = { free: 50, team: 500, business: 5_000 };
const secondVersions = firstVersions.map((plan) => ({
  ...plan,
  version: 2,
  limits: { ...plan.limits, tokens: monthlyTokens[plan.name] ?? 0 },
  requestShares,
  operationsAtOnce: operationsAtOnce[plan.name] ?? 0,
  prices: { currency: 'EUR' as const, monthMinor: monthMinor[plan.name] ?? 0, more },
}));

export const plans: Plan[] = [...firstVersions, ...secondVersions];

/** The newest version of a plan, or undefined. */
export function currentPlan(name: string): Plan | undefined {
  return plans.filter((plan) => plan.name === name).sort((a, b) => b.version - a.version)[0];
}

/** The cheapest plan that gives more of this than there is now, where plans have prices. */
export function nextPlan(current: Plan, limit: PlanLimit): Plan | undefined {
  const names = [...new Set(plans.map(({ name }) => name))];
  const paid = current.prices?.monthMinor ?? 0;
  return names
    .flatMap((name) => currentPlan(name) ?? [])
    .filter(
      ({ limits, prices }) =>
        prices &&
        prices.monthMinor > paid &&
        (limits[limit] ?? Infinity) > (current.limits[limit] ?? Infinity),
    )
    .sort((a, b) => (a.prices?.monthMinor ?? 0) - (b.prices?.monthMinor ?? 0))[0];
}

export function planAt(name: string, version: number): Plan {
  const plan = plans.find((each) => each.name === name && each.version === version);
  if (!plan) throw new Error(`plan ${name} has no version ${version}`);
  return plan;
}
