/**
 * The one table of what a plan gives. A changed row gets a higher version; a tenant stays on its version until
 * it is moved. Limits are counts, except bytes and days where the name says so; `weight` is the tenant's share
 * of a busy queue (Temporal fairness weight), prices and service levels come with billing.
 */
export const meters = ['agents', 'seats', 'runs', 'storageBytes'] as const;
export type Meter = (typeof meters)[number];

export type Plan = {
  name: string;
  version: number;
  title: string;
  limits: Record<Meter, number>;
  weight: number;
  /** Requests a minute of all a tenant's people and keys together, per API process. */
  requestsPerMinute: number;
  /** Days a deletion waits before anything is destroyed. */
  deletionGraceDays: number;
  settings: Record<string, string | number | boolean>;
};

const gibibyte = 1024 ** 3;

export const plans: Plan[] = [
  {
    name: 'free',
    version: 1,
    title: 'Free',
    limits: { agents: 5, seats: 3, runs: 1_000, storageBytes: gibibyte },
    weight: 1,
    requestsPerMinute: 600,
    deletionGraceDays: 7,
    settings: { 'sessions.hours': 12, 'audit.retentionDays': 90 },
  },
  {
    name: 'team',
    version: 1,
    title: 'Team',
    limits: { agents: 100, seats: 25, runs: 50_000, storageBytes: 50 * gibibyte },
    weight: 4,
    requestsPerMinute: 6_000,
    deletionGraceDays: 14,
    settings: { 'sessions.hours': 12, 'audit.retentionDays': 365 },
  },
  {
    name: 'business',
    version: 1,
    title: 'Business',
    limits: { agents: 2_000, seats: 500, runs: 1_000_000, storageBytes: 1_024 * gibibyte },
    weight: 16,
    requestsPerMinute: 1_200_000,
    deletionGraceDays: 30,
    settings: { 'sessions.hours': 12, 'audit.retentionDays': 2_555 },
  },
];

/** The newest version of a plan, or undefined. */
export function currentPlan(name: string): Plan | undefined {
  return plans.filter((plan) => plan.name === name).sort((a, b) => b.version - a.version)[0];
}

export function planAt(name: string, version: number): Plan {
  const plan = plans.find((each) => each.name === name && each.version === version);
  if (!plan) throw new Error(`plan ${name} has no version ${version}`);
  return plan;
}
