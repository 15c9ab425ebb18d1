import type { QuotaRule } from './quotas.ts';

/**
 * From when to when a limit counts. The ledger lets Postgres say it, by its own clock (models/tenant/quota-counter.ts);
 * this says the same, for what is shown, forecast and tried out, and a test holds the two against each other.
 */
export type Windowed = Pick<QuotaRule, 'window' | 'windowMinutes' | 'zone'>;

/** `end` is null where nothing ends: of a level, and of what is under way at once. */
export type Window = { start: Date; end: Date | null };

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export function windowOf({ window, windowMinutes, zone }: Windowed, at: Date): Window {
  switch (window) {
    case 'level':
    case 'concurrent':
      return { start: new Date(0), end: null };
    case 'rolling':
      return { start: new Date(at.getTime() - (windowMinutes ?? 0) * minuteMs), end: null };
    case 'minute':
      return shortWindow(at, zone, minuteMs);
    case 'hour':
      return shortWindow(at, zone, hourMs);
    default:
      return calendarWindow(at, zone, window);
  }
}

/** Of the time on the wall, but never longer or shorter where the clocks change: what they repeat counts twice. */
function shortWindow(at: Date, zone: string, lengthMs: number): Window {
  const into = modulo(at.getTime() + offsetMs(at.getTime(), zone), lengthMs);
  const start = at.getTime() - into;
  return { start: new Date(start), end: new Date(start + lengthMs) };
}

function calendarWindow(at: Date, zone: string, unit: 'day' | 'week' | 'month'): Window {
  const wall = new Date(at.getTime() + offsetMs(at.getTime(), zone));
  const [year, month, day] = [wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate()];
  const sinceMonday = (wall.getUTCDay() + 6) % 7;
  const of = (startWall: number, endWall: number): Window => ({
    start: new Date(momentOf(startWall, zone)),
    end: new Date(momentOf(endWall, zone)),
  });
  if (unit === 'day') return of(Date.UTC(year, month, day), Date.UTC(year, month, day + 1));
  if (unit === 'month') return of(Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1));
  return of(Date.UTC(year, month, day - sinceMonday), Date.UTC(year, month, day - sinceMonday + 7));
}

/**
 * When the wall says this: the later moment where it says it twice, and where the clocks skip it, as long after the skip
 * as it would have been without.
 */
function momentOf(wall: number, zone: string): number {
  const before = wall - offsetMs(wall - dayMs, zone);
  const after = wall - offsetMs(wall + dayMs, zone);
  return offsetMs(after, zone) === wall - after ? after : before;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function offsetMs(moment: number, zone: string): number {
  if (zone === 'UTC') return 0;
  const known = formats.get(zone);
  const format =
    known ??
    new Intl.DateTimeFormat('en-u-ca-iso8601', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  if (!known) formats.set(zone, format);
  const parts = new Map(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const wall = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
  return wall - (moment - modulo(moment, 1_000));
}

const modulo = (value: number, by: number): number => ((value % by) + by) % by;

/** What was used by when, of a rolling window: the second at which a slice begins, and how much. */
export type Slices = Record<string, number>;

// A sixtieth of the window: so exactly is it known when something falls out of it.
const sliceSeconds = ({ windowMinutes }: Pick<Windowed, 'windowMinutes'>): number => windowMinutes ?? 1;

export function sliceOf(rule: Pick<Windowed, 'windowMinutes'>, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1_000);
  return String(seconds - modulo(seconds, sliceSeconds(rule)));
}

/** Those of which any moment still lies in the window: a little too much may count, never too little. */
export function slicesWithin(rule: Pick<Windowed, 'windowMinutes'>, slices: Slices, at: Date): Slices {
  const since = at.getTime() / 1_000 - (rule.windowMinutes ?? 0) * 60;
  return Object.fromEntries(
    Object.entries(slices).filter(([start]) => Number(start) + sliceSeconds(rule) > since),
  );
}

/** When so much of what counts now will have fallen out of the window. */
export function freeAgainAt(
  rule: Pick<Windowed, 'windowMinutes'>,
  slices: Slices,
  amount: number,
): Date | undefined {
  let gone = 0;
  for (const [start, used] of Object.entries(slices).sort(([a], [b]) => Number(a) - Number(b))) {
    gone += used;
    const until = Number(start) + sliceSeconds(rule) + (rule.windowMinutes ?? 0) * 60;
    if (gone >= amount) return new Date(until * 1_000);
  }
  return undefined;
}
