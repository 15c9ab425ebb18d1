/**
 * When a limit will be reached if use goes on as it did. Hours of the recent past are added up hour by hour into the
 * future: by the mean of the same hour of the week when there are two whole weeks of them, scaled to how busy the last
 * week was; by the mean of the last day when there are not, or when that day was far busier than the habit. Pure: the
 * clock and the history are given.
 */
type UsedHour = { at: number; used: number };

export const forecastBases = ['weekly-pattern', 'recent-mean', 'trend', 'none'] as const;

export type Forecast = {
  /** Nothing is left, so there is nothing to foresee. */
  exhausted: boolean;
  /** Null: it is already, or not before the window ends, or before as far as is looked. */
  exhaustedAt: Date | null;
  /** `none`: nothing is known that could be gone by. */
  basis: (typeof forecastBases)[number];
  /** What is expected in the hour to come. */
  perHour: number;
};

type Asked = {
  /** Hours in which something was used, in any order; those that are missing used nothing. */
  hours: readonly UsedHour[];
  /** What is left of the limit. */
  left: number;
  now: Date;
  /** When what was used counts no more; null: never. */
  resetsAt: Date | null;
};

const hourMs = 3_600_000;
const weekHours = 168;
const patternWeeksMin = 2;
const meanHours = 24;
/** So much more than the habit in a day is a new habit, or an accident: either way the old one says nothing. */
const unlikeHabit = 2;
/** Further ahead nobody's habits can be read from a few weeks. */
export const horizonDays = 92;

const nothing: Forecast = { exhausted: false, exhaustedAt: null, basis: 'none', perHour: 0 };

export function forecast({ hours, left, now, resetsAt }: Asked): Forecast {
  const past = hours.filter(({ at, used }) => at <= now.getTime() && used > 0);
  const exhausted = left <= 0;
  if (past.length === 0) return { ...nothing, exhausted };
  const { basis, rateAt } = rateOf(past, now.getTime());
  const perHour = rateAt(now.getTime());
  if (exhausted) return { exhausted, exhaustedAt: null, basis, perHour };
  const end = Math.min(resetsAt?.getTime() ?? Infinity, now.getTime() + horizonDays * 24 * hourMs);
  const reached = reachedAt(left, now.getTime(), end, rateAt);
  return { exhausted, exhaustedAt: reached === undefined ? null : new Date(reached), basis, perHour };
}

type Rate = { basis: Forecast['basis']; rateAt: (at: number) => number };

function rateOf(past: readonly UsedHour[], now: number): Rate {
  const first = past.reduce((least, { at }) => Math.min(least, at), now);
  const since = Math.max(now - meanHours * hourMs, first);
  const lately = total(past.filter(({ at }) => at + hourMs > since));
  const mean = lately / Math.max((now - since) / hourMs, 1);
  const recent: Rate = { basis: 'recent-mean', rateAt: () => mean };
  const habit = weeklyPattern(past, first, floorHour(now), patternWeeksMin);
  const before = weeklyPattern(past, first, floorHour(now) - meanHours * hourMs, 1);
  if (!habit || !before) return recent;
  let usual = 0;
  for (let hour = 1; hour <= meanHours; hour += 1) usual += before(now - hour * hourMs);
  return lately > usual * unlikeHabit ? recent : { basis: 'weekly-pattern', rateAt: habit };
}

/** Whole weeks only, back from an hour, so that each hour of the week is in it equally often; at least so many. */
function weeklyPattern(
  past: readonly UsedHour[],
  first: number,
  until: number,
  weeksMin: number,
): ((at: number) => number) | undefined {
  const weeks = Math.floor((until - first) / (weekHours * hourMs));
  if (weeks < weeksMin) return undefined;
  const within = (hours: number) => past.filter(({ at }) => at < until && at >= until - hours * hourMs);
  const counted = within(weeks * weekHours);
  const all = total(counted);
  const level = all === 0 ? 0 : (total(within(weekHours)) * weeks) / all;
  const slots = new Map<number, number>();
  for (const { at, used } of counted) slots.set(slotOf(at), (slots.get(slotOf(at)) ?? 0) + used / weeks);
  return (at) => (slots.get(slotOf(at)) ?? 0) * level;
}

function reachedAt(
  left: number,
  now: number,
  end: number,
  rateAt: (at: number) => number,
): number | undefined {
  let rest = left;
  for (let at = now; at < end; ) {
    const next = Math.min(floorHour(at) + hourMs, end);
    const expected = (rateAt(at) * (next - at)) / hourMs;
    if (expected >= rest) return at + ((next - at) * rest) / expected;
    rest -= expected;
    at = next;
  }
  return undefined;
}

type Level = { at: number; level: number };

/** Of limits on what there is at a moment: the line from the oldest of these measurements to what there is now. */
export function forecastLevel(levels: readonly Level[], now: Level, amount: number): Forecast {
  const left = amount - now.level;
  const oldest = levels.reduce((first, each) => (each.at < first.at ? each : first), now);
  const passed = (now.at - oldest.at) / hourMs;
  const perHour = passed >= 1 ? Math.max(0, (now.level - oldest.level) / passed) : 0;
  const basis = perHour > 0 ? 'trend' : 'none';
  const exhausted = left <= 0;
  if (exhausted) return { exhausted, exhaustedAt: null, basis, perHour };
  const hours = perHour > 0 ? left / perHour : Infinity;
  const within = hours <= horizonDays * 24;
  return { exhausted, exhaustedAt: within ? new Date(now.at + hours * hourMs) : null, basis, perHour };
}

const floorHour = (at: number): number => Math.floor(at / hourMs) * hourMs;
const slotOf = (at: number): number => Math.floor(at / hourMs) % weekHours;
const total = (hours: readonly UsedHour[]): number => hours.reduce((sum, { used }) => sum + used, 0);
