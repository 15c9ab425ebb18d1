import type { Plan, Prices } from './plans.ts';
import { type PlanLimit, planLimitNames, planQuotaId, type QuotaOrigin } from './quotas.ts';

/**
 * What asking for more comes to: what can be asked for, what it costs, and which requests a rule grants at once. Pure;
 * the route says it beforehand, with a dry run, by the very same functions.
 */
export const requestStates = [
  'waiting',
  'approved',
  'refused',
  'withdrawn',
  'lapsed',
  'reverted',
  'failed',
] as const;
export type RequestState = (typeof requestStates)[number];

/** A request that nobody decides in this time is over. */
export const decidedWithinDays = 14;
/** Whoever needs more for longer than this needs another limit, without an end. */
const raisedDaysMax = 366;

/**
 * The rule: a quarter more for a week at most, once in thirty days for each limit. It is what keeps a busy week going
 * while nobody is at their desk, and too little to live on.
 */
export const rule = { morePercentMax: 25, daysMax: 7, againAfterDays: 30 };
const dayMs = 86_400_000;

export type Wish = { amount: number; until: Date | null };
type Standing = {
  /** What the limit is without any raise. */
  amount: number;
  origin: QuotaOrigin;
  now: Date;
  /** When the rule granted more of this limit last. */
  grantedByRuleAt: Date | null;
};

/** Why this cannot be asked for, in sentences; none when it can. */
type Limited = Pick<Standing, 'amount' | 'origin' | 'now'>;
export function wishFaults({ amount, until }: Wish, { amount: current, origin, now }: Limited) {
  const faults: { pointer: string; code: string; detail: string }[] = [];
  const fault = (pointer: string, detail: string) => faults.push({ pointer, code: 'not-askable', detail });
  if (origin === 'tenant')
    fault(
      '/quotaId',
      'is a limit of your own; change it with PATCH /v1/quotas/{id} instead of asking for it',
    );
  else if (amount <= current)
    fault('/amount', `must be more than the ${current} that the limit gives without asking`);
  if (until && until.getTime() <= now.getTime()) fault('/until', 'must be in the future');
  if (until && until.getTime() > now.getTime() + raisedDaysMax * dayMs)
    fault('/until', `must be within ${raisedDaysMax} days; leave it out to ask for more without an end`);
  return faults;
}

/** Whether the rule grants it, or why an operator has to decide. */
export function ruleVerdict(wish: Wish, standing: Standing): { granted: boolean; reason: string } {
  const { amount, until } = wish;
  const { amount: current, now, grantedByRuleAt } = standing;
  const { morePercentMax, daysMax, againAfterDays } = rule;
  const no = (reason: string) => ({ granted: false, reason });
  if (!until) return no('It has no end, so an operator decides.');
  if (until.getTime() > now.getTime() + daysMax * dayMs)
    return no(`It is for more than ${daysMax} days, so an operator decides.`);
  if ((amount - current) * 100 > current * morePercentMax)
    return no(`It is more than ${morePercentMax} % above the limit, so an operator decides.`);
  if (grantedByRuleAt && now.getTime() < grantedByRuleAt.getTime() + againAfterDays * dayMs)
    return no(
      `The rule granted more of this within the last ${againAfterDays} days, so an operator decides.`,
    );
  return {
    granted: true,
    reason: `Up to ${morePercentMax} % more for up to ${daysMax} days is granted at once.`,
  };
}

export type Price = {
  currency: Prices['currency'];
  perMonthMinor: number;
  /** For the time that was asked for; null when it has no end. */
  totalMinor: number | null;
};

const monthDays = 30;

/** Null when the plan has no price for more of this. Begun units are paid whole, and begun minor units too. */
export function priceOf(
  plan: Plan,
  limit: PlanLimit | undefined,
  more: number,
  days: number | null,
): Price | null {
  const price = limit && plan.prices?.more[limit];
  if (!plan.prices || !price) return null;
  const perMonthMinor = Math.ceil(Math.max(0, more) / price.units) * price.minor;
  const totalMinor = days === null ? null : Math.ceil((perMonthMinor * days) / monthDays);
  return { currency: plan.prices.currency, perMonthMinor, totalMinor };
}

export const daysUntil = (until: Date | null, now: Date): number | null =>
  until && Math.max(0, (until.getTime() - now.getTime()) / dayMs);

/** Which of the plan's limits this is; undefined for one that no plan states. */
export const planLimitOf = (quotaId: string): PlanLimit | undefined =>
  planLimitNames.find((name) => planQuotaId(name) === quotaId);
