/**
 * When a reading may still come. What is of the last 35 days changes the sums of its hour and day; what is older, up to
 * 400 days, stands beside them as a correction, for those days may have been invoiced; what is older still, or more than
 * five minutes ahead of the clock, is refused. Keys of readings are kept for longer than any of it (`keyDays`), counted
 * from when the reading came: sent again, it is either known or too old to be taken, and so never counts twice.
 */
export const lateDays = 35;
const correctionDays = 400;
export const aheadMinutes = 5;
/** Two days more than needed, for clocks that are set. */
export const keyDays = correctionDays + 2;

const dayMs = 86_400_000;
const aheadMs = aheadMinutes * 60_000;

/** Whether sums of this day (UTC) may still be other than they are: none of it is too old for its readings to be in them. */
export const mayStillChange = (day: string, now: Date): boolean =>
  now.getTime() - Date.parse(`${day}T00:00:00Z`) <= lateDays * dayMs;

export type ReadingWindow = { taken: 'on-time' | 'late' } | { refused: string };

export function readingWindow(at: Date, now: Date): ReadingWindow {
  const age = now.getTime() - at.getTime();
  if (Number.isNaN(age)) return { refused: 'Its time is no time; send it as in 2026-11-24T09:30:00Z.' };
  if (age < -aheadMs)
    return {
      refused: `Its time is more than ${aheadMinutes} minutes ahead; check the clock of whatever sends it.`,
    };
  if (age <= lateDays * dayMs) return { taken: 'on-time' };
  if (age <= correctionDays * dayMs) return { taken: 'late' };
  return { refused: `It is older than ${correctionDays} days, which is longer than readings are taken.` };
}

/**
 * When an act of Freehold's own was: never ahead of the clock, for then a clock was set back since, and never refused,
 * for it did happen.
 */
export function timeOfAct(at: Date, now: Date): { at: Date; taken: 'on-time' | 'late' } {
  const past = at.getTime() <= now.getTime() ? at : now;
  return { at: past, taken: now.getTime() - past.getTime() <= lateDays * dayMs ? 'on-time' : 'late' };
}
