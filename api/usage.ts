import { z } from 'zod';
import type { UsageAnswer, UsageSeries } from '../models/tenant/usage-reading.ts';
import { aggregations, meterNames, meterOf } from '../policies/meters.ts';
import { bucketSizes } from '../policies/usage-buckets.ts';
import { iso } from './present.ts';
import { moment } from './shapes.ts';
import type { Period, UsageAsked } from './usage-query.ts';

/** What was used, as the API shows it: the buckets once, and for each series its values in their order. */
const value = z.number().nullable();
export const span = z.object({ from: moment, until: moment });
export const takenUntil = moment.meta({
  description: 'Everything used until then is in it; what came after may still be on its way.',
});
const usageSeries = z.object({
  meter: z.enum(meterNames),
  unit: z.string(),
  aggregation: z.enum(aggregations),
  of: z.record(z.string(), z.string()).meta({
    description: 'What it is broken down by, and whose this is; empty for what belongs to none.',
  }),
  values: z.array(value).meta({
    description: 'One for each bucket. Null is what is not known: before the first measure, or yet to begin.',
  }),
  total: value,
  corrections: z
    .array(z.object({ bucket: z.int(), readings: z.int(), value }))
    .meta({ description: 'Readings that came too late for the sums they belong to; they are in no value.' }),
});
const answered = {
  ...span.shape,
  zone: z.string(),
  bucket: z.enum(bucketSizes),
  takenUntil,
  buckets: z.array(span),
  series: z.array(usageSeries),
};
export const tenantUsage = z.object(answered).meta({ id: 'TenantUsage' });
export const usage = z
  .object({
    ...answered,
    names: z
      .record(z.string(), z.string())
      .meta({ description: 'Of agents, workflows, keys and people that you may read.' }),
  })
  .meta({ id: 'Usage' });

export const presentSpan = ({ from, until }: { from: number; until: number }) => ({
  from: iso(new Date(from)),
  until: iso(new Date(until)),
});

export function presentUsage(
  { period, bucket, bounds }: Pick<UsageAsked, 'period' | 'bucket' | 'bounds'>,
  answer: UsageAnswer,
) {
  return {
    ...presentPeriod(period),
    bucket,
    takenUntil: iso(answer.takenUntil),
    buckets: bounds.slice(0, -1).map((from, at) => presentSpan({ from, until: bounds[at + 1] ?? from })),
    series: answer.series.map(presentSeries).sort(byMeterAndSize),
  };
}

export const presentPeriod = (period: Period) => ({ ...presentSpan(period), zone: period.zone });

function presentSeries({ meter, of, values, total, corrections }: UsageSeries) {
  const { unit, aggregation } = meterOf(meter);
  return { meter, unit, aggregation, of, values, total, corrections };
}
type Shown = ReturnType<typeof presentSeries>;

const byMeterAndSize = (one: Shown, other: Shown): number =>
  meterNames.indexOf(one.meter) - meterNames.indexOf(other.meter) || (other.total ?? 0) - (one.total ?? 0);
