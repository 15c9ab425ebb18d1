import type { MeterName } from './meters.ts';
import type { Plan } from './plans.ts';
import { type PlanLimit, planLimitNames } from './quotas.ts';
import { isPriced, pricedLimits, worthOf } from './usage-cost.ts';

/** What a report makes of what was used: pure, from amounts by meter and kind. */
export type Amount = { meter: MeterName; kind: string; value: number };

export type Work = {
  tokens: number;
  runs: number;
  succeeded: number;
  failed: number;
  refused: number;
  ended: number;
  apiCalls: number;
};

export type Efficiency = {
  /** Of the runs that ended, those that failed; and those that a rule or a limit of the organisation's own ended. */
  failedShare: number | null;
  refusedShare: number | null;
  /** Of the tokens read, those that came from a cache. */
  cachedShare: number | null;
  tokensPerSuccessfulRun: number | null;
  costPerSuccessfulRunMinor: number | null;
};

const share = (part: number, of: number): number | null => (of > 0 ? part / of : null);
/** Who reports from outside may report more of a part than of the whole; then it is not known how much of it that is. */
const partOf = (part: number, whole: number) => (part <= whole ? share(part, whole) : null);

function sumOf(amounts: readonly Amount[], meters: readonly MeterName[], kinds?: readonly string[]): number {
  return amounts
    .filter(({ meter, kind }) => meters.includes(meter) && (!kinds || kinds.includes(kind)))
    .reduce((sum, { value }) => sum + value, 0);
}

export function workOf(amounts: readonly Amount[]): Work {
  return {
    tokens: sumOf(amounts, ['tokens.input', 'tokens.output']),
    runs: sumOf(amounts, ['runs']),
    succeeded: sumOf(amounts, ['runs.ended'], ['succeeded']),
    failed: sumOf(amounts, ['runs.ended'], ['failed']),
    refused: sumOf(amounts, ['runs.ended'], ['refused']),
    ended: sumOf(amounts, ['runs.ended']),
    apiCalls: sumOf(amounts, ['api-calls']),
  };
}

/** Null without prices, or without a run that succeeded: there is nothing to divide by. */
const costPerSuccess = (work: Work, plan: Plan): number | null =>
  isPriced(plan) ? share(worthOf(work, plan.prices), work.succeeded) : null;

export function efficiencyOf(amounts: readonly Amount[], plan: Plan): Efficiency {
  const work = workOf(amounts);
  return {
    failedShare: share(work.failed, work.ended),
    refusedShare: share(work.refused, work.ended),
    cachedShare: partOf(sumOf(amounts, ['tokens.cached']), sumOf(amounts, ['tokens.input'])),
    tokensPerSuccessfulRun: share(work.tokens, work.succeeded),
    costPerSuccessfulRunMinor: costPerSuccess(work, plan),
  };
}

type Costs = { costMinor: number | null; costPerSuccessfulRunMinor: number | null };
export type Consumer = Work & Costs & { id: string };
/** Those that used most; what all others used, and what is nobody's: together they are all there was. */
export type Consumers = {
  top: Consumer[];
  others: (Work & Costs & { count: number }) | null;
  nobody: (Work & Costs) | null;
};

function worked(amounts: readonly Amount[], plan: Plan): Work & Costs {
  const work = workOf(amounts);
  const costMinor = isPriced(plan) ? worthOf(work, plan.prices) : null;
  return { ...work, costMinor, costPerSuccessfulRunMinor: costPerSuccess(work, plan) };
}

const isAny = ({ tokens, runs, ended, apiCalls }: Work): boolean => tokens + runs + ended + apiCalls > 0;

/** Dearest first; where nothing has a price, by what they used. */
export function consumersOf(
  amounts: readonly (Amount & { id: string })[],
  plan: Plan,
  most: number,
): Consumers {
  const all = [...Map.groupBy(amounts, ({ id }) => id)]
    .map(([id, own]) => ({ id, own, ...worked(own, plan) }))
    .filter(isAny)
    .sort(
      (a, b) =>
        (b.costMinor ?? 0) - (a.costMinor ?? 0) ||
        b.tokens - a.tokens ||
        b.runs - a.runs ||
        b.apiCalls - a.apiCalls,
    );
  const known = all.filter(({ id }) => id !== '');
  const rest = known.slice(most);
  const nobody = all.find(({ id }) => id === '');
  return {
    top: known.slice(0, most).map(({ own: _, ...consumer }) => consumer),
    others:
      rest.length > 0
        ? {
            count: rest.length,
            ...worked(
              rest.flatMap(({ own }) => own),
              plan,
            ),
          }
        : null,
    nobody: nobody ? worked(nobody.own, plan) : null,
  };
}

export type IdleLimit = {
  limit: PlanLimit;
  amount: number;
  used: number;
  idle: number;
  idleShare: number;
  worthMinor: number | null;
};

/**
 * What a plan gives that nobody used, in the busiest of the months looked at; and what of the plan's price stands for it,
 * in whole minor units, so that all of it together is never more than what is paid.
 */
export function idleOf(plan: Plan, used: { [Name in PlanLimit]?: number }): IdleLimit[] {
  const prices = isPriced(plan) ? pricedLimits(plan) : undefined;
  return planLimitNames.flatMap((limit) => {
    const amount = plan.limits[limit];
    if (amount === undefined || amount <= 0) return [];
    const most = used[limit] ?? 0;
    const idle = Math.max(amount - most, 0);
    const idleShare = idle / amount;
    const worthMinor = prices ? Math.floor((prices.get(limit) ?? 0) * idleShare) : null;
    return [{ limit, amount, used: most, idle, idleShare, worthMinor }];
  });
}

/** By how much more (or less) than before; null where there was nothing before. */
export const changeOf = (now: number | null, before: number | null): number | null =>
  now === null || before === null || before === 0 ? null : (now - before) / before;
