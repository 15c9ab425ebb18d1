import type { MeterName } from '../../policies/meters.ts';
import { type Month, wholeMonths } from '../../policies/right-sizing.ts';
import { bucketBounds, dayFrom } from '../../policies/usage-buckets.ts';
import type { Place } from '../scope.ts';
import { readUsage, type UsageAnswer } from './usage-reading.ts';

/**
 * The last whole calendar months (UTC, as plans count them) in which all limits of a plan were at work: what adds up as
 * its sum, what is a level as the most there was at the end of a day. The month in which use began is none of them.
 */
export const monthsMax = 3;
const everything = () => ({ text: 'true', values: [] });
export const addedToLimits: MeterName[] = ['tokens.input', 'tokens.output', 'runs'];
export const levelsOfLimits: MeterName[] = ['agents', 'seats', 'storage.bytes'];

export async function readMonths(place: Place, now: number): Promise<Month[]> {
  const span = {
    from: dayFrom(now, 'UTC', { months: -monthsMax - 1 }),
    until: dayFrom(now, 'UTC', { months: 0 }),
  };
  const asked = { groupBy: [], filter: {}, visible: everything, now };
  const bounds = (bucket: 'month' | 'day') => bucketBounds({ ...span, zone: 'UTC', bucket }, 200) ?? [];
  const [months, days] = [bounds('month'), bounds('day')];
  const [sums, most] = await Promise.all([
    readUsage(place, { ...asked, meters: addedToLimits, bounds: months }),
    readUsage(place, { ...asked, meters: levelsOfLimits, bounds: days }),
  ]);
  const all = months.slice(0, -1).map((from, at) => ({
    from: new Date(from).toISOString(),
    used: usedIn(
      sums,
      most,
      at,
      days.map((day) => day >= from && day < (months[at + 1] ?? 0)),
    ),
  }));
  return wholeMonths(all, monthsMax);
}

function usedIn(sums: UsageAnswer | undefined, most: UsageAnswer | undefined, at: number, days: boolean[]) {
  const sum = (name: MeterName) => sums?.series.find(({ meter }) => meter === name)?.values[at] ?? 0;
  const level = (name: MeterName) => {
    const values = most?.series.find(({ meter }) => meter === name)?.values ?? [];
    return Math.max(0, ...values.filter((_, day) => days[day]).map((value) => value ?? 0));
  };
  return usedOfLimits((meter) => (levelsOfLimits.includes(meter) ? level(meter) : sum(meter)));
}

/** What a plan limits, of the meters it is counted by. */
export const usedOfLimits = (of: (meter: MeterName) => number) => ({
  tokens: of('tokens.input') + of('tokens.output'),
  runs: of('runs'),
  agents: of('agents'),
  seats: of('seats'),
  storageBytes: of('storage.bytes'),
});
