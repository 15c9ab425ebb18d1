import { z } from 'zod';
import { readTenantsUsage, tenantFacts, totalsStatement } from '../../models/system/usage.ts';
import { piecesMax } from '../../models/tenant/usage-statements.ts';
import { aggregations, meterOf } from '../../policies/meters.ts';
import { bucketBounds } from '../../policies/usage-buckets.ts';
import { platformRead } from '../platform-route.ts';
import { freshness, freshnessOf, totals, totalsOf } from '../platform-usage.ts';
import { daysOf, daysQuery, filterOf, tenantsQuery } from '../platform-usage-query.ts';
import { metersIn, meterWords, tooManyPoints } from '../usage-query.ts';

const buckets = ['day', 'week', 'month'] as const;

export const readPlatformUsage = platformRead({
  method: 'get',
  path: '/platform/usage',
  tag: 'Platform usage',
  summary:
    'What all organisations together used: by meter and day, week or month, by region, plan, cell or organisation',
  permit: ['read', 'TenantUsage'],
  query: z.strictObject({
    meter: meterWords,
    bucket: z.enum(buckets).default('day'),
    by: z
      .enum(tenantFacts)
      .optional()
      .meta({ description: 'What to tell apart; together, if nothing is said.' }),
    ...daysQuery,
    ...tenantsQuery,
  }),
  answers: { 200: totals.extend({ freshness }).meta({ id: 'PlatformUsage' }) },
  handle: async ({ query }) => {
    const { bucket, by } = query;
    const days = daysOf(query);
    const filter = filterOf(query);
    const meters = metersIn(query.meter);
    const used = aggregations
      .map((aggregation) => ({
        aggregation,
        meters: meters.filter((name) => meterOf(name).aggregation === aggregation),
      }))
      .filter((each) => each.meters.length > 0);
    const { fresh, results: rows } = await readTenantsUsage(
      filter,
      used.map((each) => totalsStatement({ ...each, ...days, bucket, by, filter, rowsMax: piecesMax + 1 })),
    );
    if (rows.some((all) => all.length > piecesMax)) throw tooManyPoints();
    const [from, until] = [Date.parse(days.from), Date.parse(days.until)];
    const bounds = bucketBounds({ from, until, bucket, zone: 'UTC' }, piecesMax) ?? [];
    const body = totalsOf(rows.flat(), { bounds, bucket, by, meters });
    return { status: 200, body: { ...body, freshness: freshnessOf(fresh) } };
  },
});
