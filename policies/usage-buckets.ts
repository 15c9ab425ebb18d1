import { Temporal } from 'temporal-polyfill';

/**
 * Calendar buckets of any zone, and which of the meter's tables each piece of them is read from. Roll-ups are by the hour
 * and the day of UTC; a bucket of another zone is made of the whole days and hours that lie in it, and of single readings
 * where an hour is cut (Kathmandu, a change of clocks in Lord Howe). All moments are milliseconds since 1970.
 */
export const bucketSizes = ['hour', 'day', 'week', 'month'] as const;
export type BucketSize = (typeof bucketSizes)[number];

export type Span = { from: number; until: number };
type Asked = Span & { bucket: BucketSize; zone: string };

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * `from`, every calendar boundary after it, and `until`: the first and the last bucket are cut where the time asked for
 * begins and ends. Undefined when there would be more than `bucketsMax`.
 */
export function bucketBounds(asked: Asked, bucketsMax: number): number[] | undefined {
  const { from, until } = asked;
  const bounds = [from];
  for (let next = boundaryAfter(from, asked); next < until; next = boundaryAfter(next, asked)) {
    bounds.push(next);
    if (bounds.length > bucketsMax) return undefined;
  }
  return [...bounds, until];
}

const zoned = (at: number, zone: string) =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
/** The first moment of a day, which is not midnight where the clocks change then. */
const beginning = (date: Temporal.PlainDate, zone: string) => date.toZonedDateTime(zone).epochMilliseconds;

function boundaryAfter(at: number, { bucket, zone }: Asked): number {
  const moment = zoned(at, zone);
  // In real time, so that an hour that the clocks repeat is two buckets, and one that they skip is none.
  if (bucket === 'hour')
    return at + hourMs - ((moment.minute * 60 + moment.second) * 1000 + moment.millisecond);
  return beginning(dayAfter(moment.toPlainDate(), bucket), zone);
}

function dayAfter(date: Temporal.PlainDate, bucket: Exclude<BucketSize, 'hour'>): Temporal.PlainDate {
  if (bucket === 'day') return date.add({ days: 1 });
  // Weeks begin on Monday.
  if (bucket === 'week') return date.add({ days: 8 - date.dayOfWeek });
  return date.with({ day: 1 }).add({ months: 1 });
}

/** The first moment of the day so many days (or months, at the first of a month) away from the one of `at`. */
export function dayFrom(at: number, zone: string, away: { days: number } | { months: number }): number {
  const date = zoned(at, zone).toPlainDate();
  return beginning('months' in away ? date.with({ day: 1 }).add(away) : date.add(away), zone);
}

/** Of the same clock, so many days or months away. */
export const shifted = (at: number, zone: string, by: { days: number } | { months: number }): number =>
  zoned(at, zone).add(by).epochMilliseconds;

export const isMonthStart = (at: number, zone: string): boolean => dayFrom(at, zone, { months: 0 }) === at;

/** Whole days and months that begin within, the first one cut included. */
export function lengthIn({ from, until }: Span, zone: string, unit: 'days' | 'months'): number {
  const [first, last] = [zoned(from, zone).toPlainDate(), zoned(until - 1, zone).toPlainDate()];
  if (unit === 'days') return first.until(last, { largestUnit: 'days' }).days + 1;
  return (last.year - first.year) * 12 + last.month - first.month + 1;
}

/** What a person writes: a moment, or a day of the zone, which is its first moment. Undefined for anything else. */
export function momentIn(text: string, zone: string): number | undefined {
  try {
    if (/^\d{4}-\d\d-\d\d$/.test(text)) return beginning(Temporal.PlainDate.from(text), zone);
    return Temporal.Instant.from(text).epochMilliseconds;
  } catch {
    return undefined;
  }
}

/** Which stretches of time are read from which table; what touches is one stretch. */
export type Parts = { days: Span[]; hours: Span[]; events: Span[] };

export function partsOf(bounds: readonly number[]): Parts {
  const parts: Parts = { days: [], hours: [], events: [] };
  for (const [at, until] of bounds.slice(1).entries()) {
    const from = bounds[at] ?? until;
    for (const rest of wholeOf({ from, until }, dayMs, parts.days))
      for (const bit of wholeOf(rest, hourMs, parts.hours)) append(parts.events, bit);
  }
  return { days: joined(parts.days), hours: joined(parts.hours), events: joined(parts.events) };
}

/** Puts what is made of whole units into `whole`, and answers what is left before and after. */
function wholeOf({ from, until }: Span, unit: number, whole: Span[]): Span[] {
  const [first, last] = [Math.ceil(from / unit) * unit, Math.floor(until / unit) * unit];
  if (first >= last) return [{ from, until }];
  append(whole, { from: first, until: last });
  return [
    { from, until: first },
    { from: last, until },
  ].filter((rest) => rest.from < rest.until);
}

function append(spans: Span[], span: Span): void {
  if (span.from < span.until) spans.push(span);
}

function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (last?.until === span.from) last.until = span.until;
    else all.push({ ...span });
  }
  return all;
}
