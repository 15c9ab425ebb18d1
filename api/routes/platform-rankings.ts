import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import { readTenantsUsage, usedByTenants } from '../../models/system/usage.ts';
import { type MeterName, meterNames, meterOf } from '../../policies/meters.ts';
import { type Neighbour, noiseOf, sharedMeters } from '../../policies/noise.ts';
import { planAt } from '../../policies/plans.ts';
import { Refusal } from '../../policies/refusal.ts';
import { changeOf } from '../../policies/usage-report.ts';
import { platformRead } from '../platform-route.ts';
import { freshness, freshnessOf } from '../platform-usage.ts';
import { daysBefore, daysOf, daysQuery, filterOf, tenantsQuery } from '../platform-usage-query.ts';
import { id, limit } from '../shapes.ts';

const tag = 'Platform usage';
const orders = ['use', 'growth', 'idle'] as const;
const who = { tenantId: id('ten'), name: z.string(), region: z.string(), cell: z.string(), plan: z.string() };
const whoOf = ({ id: tenantId, name, region, cell, plan }: Row) => ({ tenantId, name, region, cell, plan });

export const rankTenants = platformRead({
  method: 'get',
  path: '/platform/usage/rankings',
  tag,
  summary: 'Which organisations used most of a meter, grew most or used least, against as many days before',
  permit: ['read', 'TenantUsage'],
  query: z.strictObject({
    meter: z
      .enum(meterNames)
      .default('tokens.input')
      .meta({ description: 'One whose readings are added up.' }),
    order: z
      .enum(orders)
      .default('use')
      .meta({ description: 'idle: those who used least first, those who used nothing before all others.' }),
    limit,
    ...daysQuery,
    ...tenantsQuery,
  }),
  answers: {
    200: z
      .object({
        meter: z.enum(meterNames),
        unit: z.string(),
        items: z.array(
          z.object({
            ...who,
            used: z.number(),
            before: z.number(),
            share: z.number().meta({ description: 'Of what all of them used.' }),
            growth: z.number().nullable().meta({ description: 'Null for whoever used nothing before.' }),
          }),
        ),
        freshness,
      })
      .meta({ id: 'TenantRanking' }),
  },
  handle: async ({ query }) => {
    const { meter, order } = query;
    const { unit, aggregation } = meterOf(meter);
    if (!['sum', 'count'].includes(aggregation)) {
      const detail = `${meter} is not added up, so there is no most of it; ask GET /v1/platform/usage?by=tenant`;
      const errors = [{ pointer: '?meter', code: 'not-added-up', detail }];
      throw new Refusal('invalid-request', 'This meter cannot be ranked by.', { errors });
    }
    const { rows, fresh } = await used([meter], query, true);
    const all = rows.reduce((sum, row) => sum + Number(row.now), 0);
    const items = rows.map((row) => {
      const [now, before] = [Number(row.now), Number(row.before)];
      return {
        ...whoOf(row),
        used: now,
        before,
        share: all > 0 ? now / all : 0,
        growth: changeOf(now, before),
      };
    });
    items.sort(orderedBy[order]);
    return { status: 200, body: { meter, unit, items: items.slice(0, query.limit), freshness: fresh } };
  },
});

type Ranked = { used: number; before: number; growth: number | null };
// Who used nothing before has grown beyond measure, and stands after those of whom it can be said.
const grown = ({ growth }: Ranked) => growth ?? Number.NEGATIVE_INFINITY;
const orderedBy: Record<(typeof orders)[number], (a: Ranked, b: Ranked) => number> = {
  use: (a, b) => b.used - a.used,
  growth: (a, b) => (grown(a) === grown(b) ? b.used - a.used : grown(b) - grown(a)),
  idle: (a, b) => a.used - b.used || a.before - b.before,
};

const share = z.number();

export const findNoisy = platformRead({
  method: 'get',
  path: '/platform/usage/neighbours',
  tag,
  summary:
    'Which organisations take more of their cell than their plan’s weight gives them, the noisiest first',
  permit: ['read', 'TenantUsage'],
  query: z.strictObject({ limit, ...daysQuery, ...tenantsQuery }),
  answers: {
    200: z
      .object({
        items: z.array(
          z.object({
            ...who,
            weightShare: share.meta({ description: 'Of the weights of all that share the cell.' }),
            shares: z
              .object({
                'compute.database-seconds': share,
                'compute.worker-seconds': share,
                'api-calls': share,
              })
              .meta({ description: 'Of what all that share the cell used.' }),
            noise: z
              .number()
              .meta({ description: 'The greatest share against that of the weight; above 1 is too much.' }),
          }),
        ),
        freshness,
      })
      .meta({ id: 'NoisyNeighbours' }),
  },
  handle: async ({ query }) => {
    // Everybody in a cell counts, also those that are not asked about: shares are of the whole.
    const { rows, fresh } = await used(
      sharedMeters,
      { ...query, tenantId: undefined, plan: undefined },
      false,
    );
    const known = new Map(rows.map((row) => [String(row.id), row]));
    const wanted = (row: Row) =>
      (query.tenantId === undefined || row.id === query.tenantId) &&
      (query.plan === undefined || row.plan === query.plan);
    const items = noiseOf(neighboursIn(rows)).flatMap(({ id: tenantId, ...noise }) => {
      const row = known.get(tenantId);
      return row && wanted(row) ? [{ ...whoOf(row), ...noise }] : [];
    });
    return { status: 200, body: { items: items.slice(0, query.limit), freshness: fresh } };
  },
});

type Asked = Parameters<typeof filterOf>[0] & Parameters<typeof daysOf>[0];

async function used(meters: readonly MeterName[], query: Asked, everybody: boolean) {
  const filter = filterOf(query);
  const now = daysOf(query);
  const asked = usedByTenants(meters, { now, before: daysBefore(now), filter, everybody });
  const { fresh, results } = await readTenantsUsage(filter, [asked]);
  return { rows: results.flat(), fresh: freshnessOf(fresh) };
}

function neighboursIn(rows: readonly Row[]): Neighbour[] {
  return [...Map.groupBy(rows, (row) => String(row.id))].map(([tenantId, own]) => {
    const { cell, plan, plan_version: version } = own[0] ?? {};
    const { weight } = planAt(String(plan), Number(version));
    const usedOf = Object.fromEntries(own.map((row) => [String(row.meter), Number(row.now)]));
    return { id: tenantId, cell: String(cell), weight, used: usedOf };
  });
}
