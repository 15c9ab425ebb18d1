import type { Plan } from './plans.ts';
import { isPriced, type MonthOfUse, monthOn } from './usage-cost.ts';

/**
 * Which plan the use of the last whole months would have cost least on, and what would be saved; or what is missing to say
 * so. Pure: what was used and what plans there are is given. Nothing is proposed that any of those months would not have
 * fitted into, with what the plan sells beyond its limits.
 */
export type Month = { from: string; used: MonthOfUse };
/** The month in which use began is no whole one; of those after it the last few. */
export function wholeMonths(months: readonly Month[], most = 3): Month[] {
  const begun = months.findIndex(({ used }) => Object.values(used).some((value) => value > 0));
  return begun === -1 ? [] : months.slice(Math.max(begun + 1, months.length - most));
}

type Asked = { plan: Plan; plans: readonly Plan[]; months: readonly Month[] };

type Compared = { name: string; version: number; title: string; monthMinor: number };
export type RightSizing = {
  current: Compared | null;
  /** All that the use fits into, cheapest first. */
  compared: Compared[];
  /** The one to change to; null if the present one is best. */
  proposed: (Compared & { savingMinor: number }) | null;
  missing: string[];
};

export function rightSizing({ plan, plans, months }: Asked): RightSizing {
  const newest = plans.findLast((each) => each.name === plan.name && isPriced(each));
  const priced = isPriced(plan) ? plan : newest;
  const missing = [
    ...(months.length === 0
      ? ['One whole calendar month of use: there is none yet to compare plans by.']
      : []),
    ...(priced ? [] : [`Prices: the plan “${plan.title}” has none.`]),
  ];
  const none = { current: null, compared: [], proposed: null };
  if (missing.length > 0) return { ...none, missing };
  const compared = newestOf(plans)
    .map((each) => (priced && each.name === priced.name ? priced : each))
    .flatMap((each) => comparedOn(each, months))
    .sort((a, b) => a.monthMinor - b.monthMinor);
  const current = compared.find(({ name }) => name === plan.name) ?? null;
  const [best] = compared;
  const saving = current && best ? current.monthMinor - best.monthMinor : 0;
  return {
    current,
    compared,
    proposed: best && saving > 0 ? { ...best, savingMinor: saving } : null,
    missing: isPriced(plan)
      ? []
      : [
          `Prices of version ${plan.version} of the plan “${plan.title}”; those of its newest version stand in.`,
        ],
  };
}

/** The mean of its months; nothing where one of them did not fit. */
function comparedOn(plan: Plan, months: readonly Month[]): Compared[] {
  if (!isPriced(plan)) return [];
  const costs = months.map(({ used }) => monthOn(plan, used));
  if (costs.some((cost) => cost === undefined)) return [];
  const total = costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0);
  const { name, version, title } = plan;
  return [{ name, version, title, monthMinor: Math.round(total / months.length) }];
}

function newestOf(plans: readonly Plan[]): Plan[] {
  const newest = new Map<string, Plan>();
  for (const plan of plans)
    if (plan.version > (newest.get(plan.name)?.version ?? 0)) newest.set(plan.name, plan);
  return [...newest.values()];
}
