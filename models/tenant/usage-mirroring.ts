import { meterNames, meterOf } from '../../policies/meters.ts';
import { lateDays } from '../../policies/usage-window.ts';
import type { Place } from '../scope.ts';
import { type MirroredDay, mirrorDays, mirroredUntil } from '../system/usage-mirror.ts';
import { readUsage } from './usage-reading.ts';

/** Tells the shared tables what a tenant used by the day, as far back as its sums may have changed since the last time. */
const dayMs = 86_400_000;
const firstDays = 400;
const everything = () => ({ text: 'true', values: [] });

export async function mirrorUsage(place: Place, now = Date.now()): Promise<number> {
  const before = await mirroredUntil(place.tenantId);
  const today = Math.floor(now / dayMs) * dayMs;
  const oldest = before === undefined ? now - firstDays * dayMs : before.getTime() - lateDays * dayMs;
  const from = Math.floor(Math.min(oldest, today) / dayMs) * dayMs;
  const begins = Array.from({ length: (today - from) / dayMs + 1 }, (_, at) => from + at * dayMs);
  const asked = { meters: meterNames, groupBy: [], filter: {}, visible: everything };
  // Until the end of today, which has yet to come: what is a mean is one of the day so far.
  const answer = await readUsage(place, { ...asked, bounds: [...begins, today + dayMs], now });
  if (!answer) throw new Error('bug: days of a tenant without any breakdown are too many');
  const day = (at: number) => new Date(at).toISOString().slice(0, 10);
  const days = answer.series.flatMap(({ meter, values }) =>
    values.flatMap((value, at): MirroredDay[] =>
      // A level of nothing is a level; where nothing was used there is nothing to say.
      value === null || (value === 0 && meterOf(meter).aggregation !== 'last')
        ? []
        : [{ day: day(begins[at] ?? today), meter, value }],
    ),
  );
  await mirrorDays(place.tenantId, { days, from: day(from), takenUntil: answer.takenUntil });
  return days.length;
}
