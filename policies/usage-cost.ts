import type { Plan, Prices } from './plans.ts';
import { type PlanLimit, planLimitNames } from './quotas.ts';

/**
 * What use is worth at a plan's prices. Prices say what more of a limit costs a month, so tokens and runs have a price
 * each even where the plan includes them: it is what they would cost if it did not, and makes agents comparable.
 */
export type Worked = { tokens: number; runs: number };

export type Priced = Plan & { prices: Prices };
export const isPriced = (plan: Plan): plan is Priced => plan.prices !== undefined;

/** Minor units of the currency, with fractions: one token costs less than a cent. */
export function worthOf({ tokens, runs }: Worked, { more }: Prices): number {
  const minor = tokens * priceOf(more.tokens) + runs * priceOf(more.runs);
  // As decimals would come to it: what is left over from counting in binary is in the last two of 17 digits.
  return Number(minor.toPrecision(15));
}

const priceOf = (more: { units: number; minor: number } | undefined): number =>
  more === undefined ? 0 : more.minor / more.units;

/**
 * What of a plan's price stands for each of its limits, by what as much would cost beyond the plan: together they are the
 * price. A plan gives far more than as much would cost by itself, so what is idle cannot be valued at that.
 */
export function pricedLimits({ limits, prices }: Priced): Map<PlanLimit, number> {
  const apart = planLimitNames.map(
    (name) => [name, (limits[name] ?? 0) * priceOf(prices.more[name])] as const,
  );
  const all = apart.reduce((sum, [, minor]) => sum + minor, 0);
  return new Map(apart.map(([name, minor]) => [name, all > 0 ? (prices.monthMinor * minor) / all : 0]));
}

export type MonthOfUse = { [Name in PlanLimit]?: number };

/** A month on a plan with this use; undefined where the plan sells no more of what it lacks. */
export function monthOn({ limits, prices }: Priced, used: MonthOfUse): number | undefined {
  let minor = prices.monthMinor;
  for (const name of planLimitNames) {
    const [limit, more] = [limits[name], prices.more[name]];
    const over = limit === undefined ? 0 : (used[name] ?? 0) - limit;
    if (over <= 0) continue;
    if (!more) return undefined;
    minor += Math.ceil(over / more.units) * more.minor;
  }
  return minor;
}
