import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { type TenantFact, tenantFacts } from '../models/system/usage.ts';
import { aggregations, type MeterName, meterNames, meterOf } from '../policies/meters.ts';
import { bucketSizes } from '../policies/usage-buckets.ts';
import { iso } from './present.ts';
import { moment } from './shapes.ts';
import { presentSpan, span } from './usage.ts';

/** What tenants used together, as operators are shown it, and how fresh that is. */
export const freshness = z
  .object({
    tenants: z.int(),
    missing: z.int().meta({ description: 'Organisations of which nothing has been mirrored yet.' }),
    oldest: moment.nullable(),
    newest: moment.nullable(),
    next: moment.meta({ description: 'When it begins to be written next: at each full hour.' }),
  })
  .meta({ description: 'The mirror is written by the hour: of no organisation is it older than “oldest”.' });

const hourMs = 3_600_000;
const nextHour = () => new Date((Math.floor(Date.now() / hourMs) + 1) * hourMs);

export const freshnessOf = (row: Row = {}) => ({
  tenants: Number(row.tenants ?? 0),
  missing: Number(row.missing ?? 0),
  oldest: iso(row.oldest),
  newest: iso(row.newest),
  next: iso(nextHour()),
});

export const totals = z.object({
  ...span.shape,
  bucket: z.enum(bucketSizes),
  by: z.enum(tenantFacts).nullable(),
  buckets: z.array(span),
  series: z.array(
    z.object({
      meter: z.enum(meterNames),
      unit: z.string(),
      aggregation: z.enum(aggregations),
      of: z.string().nullable(),
      values: z.array(z.number().nullable()),
    }),
  ),
});

type Asked = {
  bounds: readonly number[];
  bucket: string;
  by: TenantFact | undefined;
  meters: readonly MeterName[];
};

export function totalsOf(rows: readonly Row[], { bounds, bucket, by, meters }: Asked) {
  const places = new Map(bounds.slice(0, -1).map((at, place) => [calendarDay(at, bucket), place]));
  const groups = Map.groupBy(rows, ({ meter, of }) => JSON.stringify([meter, of]));
  if (!by)
    for (const meter of meters)
      if (!groups.has(JSON.stringify([meter, '']))) groups.set(JSON.stringify([meter, '']), []);
  const series = [...groups].map(([key, own]) => {
    const [meter, of] = JSON.parse(key) as [MeterName, string]; // made above
    const { unit, aggregation } = meterOf(meter);
    const empty = aggregation === 'last' || aggregation === 'max' ? null : 0;
    const values: (number | null)[] = bounds.slice(0, -1).map((at) => (at < Date.now() ? empty : null));
    for (const { b, value } of own) values[places.get(String(b)) ?? 0] = Number(value);
    return { meter, unit, aggregation, of: by ? of : null, values };
  });
  const ends = { from: bounds[0] ?? 0, until: bounds.at(-1) ?? 0 };
  return {
    ...presentSpan(ends),
    bucket,
    by: by ?? null,
    buckets: bounds.slice(0, -1).map((from, at) => presentSpan({ from, until: bounds[at + 1] ?? from })),
    series: series.sort(
      (a, b) =>
        meterNames.indexOf(a.meter) - meterNames.indexOf(b.meter) || (a.of ?? '').localeCompare(b.of ?? ''),
    ),
  };
}

/** The first bucket may be cut; the database names it by the day on which it would have begun. */
function calendarDay(at: number, bucket: string): string {
  const date = new Date(at);
  if (bucket === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (bucket === 'month') date.setUTCDate(1);
  return date.toISOString().slice(0, 10);
}
