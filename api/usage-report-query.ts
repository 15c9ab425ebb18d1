import { z } from 'zod';
import { Refusal } from '../policies/refusal.ts';
import { type BucketSize, isMonthStart, lengthIn, type Span, shifted } from '../policies/usage-buckets.ts';
import { boundsOf, type Period, periodOf, periodQuery } from './usage-query.ts';
import type { ReportAsked } from './usage-report.ts';

/** The time a report is about, the one before it, and how finely it is drawn. */
export const forms = ['json', 'csv', 'html'] as const;
export type Form = (typeof forms)[number];
export const reportQuery = z.strictObject({
  ...periodQuery,
  format: z.enum(forms).optional().meta({ description: 'Default: what Accept prefers, or JSON.' }),
});

const daysMax = 800;

export function reportAsked(query: {
  from?: string | undefined;
  until?: string | undefined;
  zone: string;
}): ReportAsked {
  const period = periodOf(query);
  const days = lengthIn(period, period.zone, 'days');
  if (days > daysMax) {
    const detail = `must not lie more than ${daysMax} days before until`;
    const errors = [{ pointer: '?from', code: 'period', detail }];
    throw new Refusal('invalid-request', 'A report of so long a time would say little.', { errors });
  }
  const previous = before(period, days);
  const bucket = bucketFor(days);
  const previousBounds = boundsOf({ ...period, ...previous }, bucket);
  return { period, previous, bucket, bounds: boundsOf(period, bucket), previousBounds };
}

/** Whole months are compared with as many before them, all else with as many days. */
function before({ from, until, zone }: Period, days: number): Span {
  const months = isMonthStart(from, zone) && isMonthStart(until, zone);
  const by = months ? { months: -lengthIn({ from, until }, zone, 'months') } : { days: -days };
  return { from: shifted(from, zone, by), until: shifted(until, zone, by) };
}

function bucketFor(days: number): BucketSize {
  if (days <= 2) return 'hour';
  if (days <= 62) return 'day';
  return days <= 400 ? 'week' : 'month';
}
