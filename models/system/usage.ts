import type { Aggregation, MeterName } from '../../policies/meters.ts';
import type { Row, Statement } from '../batch.ts';
import { readInSystem } from '../scope.ts';

/** What tenants used, from the mirror of their meters: whole days of UTC (models/system/usage-mirror.ts). */
export const tenantFacts = ['tenant', 'region', 'plan', 'cell'] as const;
export type TenantFact = (typeof tenantFacts)[number];
const factColumns: Record<TenantFact, string> = {
  tenant: 't.id',
  region: 't.region',
  plan: 't.plan',
  cell: 't.cell',
};

export type TenantsFilter = {
  region?: string | undefined;
  plan?: string | undefined;
  cell?: string | undefined;
  tenantId?: string | undefined;
};
export type Days = { from: string; until: string };

function filterSql(filter: TenantsFilter, slot: (value: string) => string): string {
  const { tenantId, ...facts } = filter;
  const all = { ...facts, tenant: tenantId };
  const parts = tenantFacts.flatMap((fact) => {
    const value = all[fact];
    return value === undefined ? [] : [`${factColumns[fact]} = ${slot(value)}`];
  });
  return ['true', ...parts].join(' AND ');
}

/**
 * How the days of one tenant become its number for a longer time: what adds up is added, of levels the last counts, means
 * are means of days, and so are people, who may be the same every day.
 */
const ofDays: Record<Aggregation, (days: string) => string> = {
  sum: () => 'sum(value)',
  count: () => 'sum(value)',
  max: () => 'max(value)',
  last: () => '(array_agg(value ORDER BY day DESC))[1]',
  unique: (days) => `sum(value) / ${days}`,
  'time-weighted': (days) => `sum(value) / ${days}`,
};

type Totals = Days & {
  aggregation: Aggregation;
  meters: readonly MeterName[];
  bucket: 'day' | 'week' | 'month';
  by: TenantFact | undefined;
  filter: TenantsFilter;
  rowsMax: number;
};

/** Over tenants: each meter's number in each bucket, by region, plan, cell or tenant. */
export function totalsStatement({
  aggregation,
  meters,
  bucket,
  by,
  filter,
  from,
  until,
  rowsMax,
}: Totals): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const [first, last] = [`${slot(from)}::date`, `${slot(until)}::date`];
  const begun = `date_trunc('${bucket}', d.day::timestamp)`;
  // A bucket is cut where the time asked for begins and ends, and by today, which is the last day there is.
  const days = `greatest(1, least(b + interval '1 ${bucket}', ${last}, now() AT TIME ZONE 'UTC' + interval '1 day')::date - greatest(b::date, ${first}))`;
  const own = `SELECT d.meter, ${by ? factColumns[by] : "''"} AS of, d.tenant_id, ${begun} AS b, d.day, d.value
    FROM tenant_usage_days d JOIN tenants t ON t.id = d.tenant_id
    WHERE d.meter = ANY (${slot(`{${meters.join(',')}}`)}::text[]) AND d.day >= ${first} AND d.day < ${last}
      AND ${filterSql(filter, slot)}`;
  const perTenant = `SELECT meter, of, b, ${ofDays[aggregation](days)} AS value FROM (${own}) days GROUP BY meter, of, tenant_id, b`;
  const together = aggregation === 'max' ? 'max' : 'sum';
  return {
    text: `SELECT meter, of, to_char(b, 'YYYY-MM-DD') AS b, ${together}(value) AS value FROM (${perTenant}) tenants
      GROUP BY meter, of, b ORDER BY meter, of, b LIMIT ${slot(rowsMax)}`,
    values,
  };
}

/** What is asked of all tenants, with how fresh the answer is. */
export async function readTenantsUsage(
  filter: TenantsFilter,
  statements: Statement[],
): Promise<{ fresh: Row | undefined; results: Row[][] }> {
  const [fresh = [], ...results] = await readInSystem('platform', [
    freshnessStatement(filter),
    ...statements,
  ]);
  return { fresh: fresh[0], results };
}

/** How fresh what is shown is: the mirror of which tenant is the oldest, and how many have none yet. */
function freshnessStatement(filter: TenantsFilter): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string) => `$${values.push(value)}`;
  return {
    text: `SELECT min(m.taken_until) AS oldest, max(m.taken_until) AS newest, count(*) AS tenants,
             count(*) FILTER (WHERE m.tenant_id IS NULL) AS missing
           FROM tenants t LEFT JOIN tenant_usage_mirrors m ON m.tenant_id = t.id
           WHERE t.state IN ('active', 'suspended') AND ${filterSql(filter, slot)}`,
    values,
  };
}

/**
 * What each tenant used of some meters in two times: now, and before. What adds up only. Of everybody are also those
 * who used nothing, as far as that is known: of whom nothing was mirrored yet, it is not.
 */
export function usedByTenants(
  meters: readonly MeterName[],
  { now, before, filter, everybody }: { now: Days; before: Days; filter: TenantsFilter; everybody: boolean },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string) => `$${values.push(value)}`;
  const within = ({ from, until }: Days) => `d.day >= ${slot(from)}::date AND d.day < ${slot(until)}::date`;
  const [this_, earlier] = [within(now), within(before)];
  return {
    text: `SELECT t.id, t.name, t.region, t.cell, t.plan, t.plan_version, d.meter,
             coalesce(sum(d.value) FILTER (WHERE ${this_}), 0) AS now, coalesce(sum(d.value) FILTER (WHERE ${earlier}), 0) AS before
           FROM tenants t JOIN tenant_usage_mirrors m ON m.tenant_id = t.id
           ${everybody ? 'LEFT' : ''} JOIN tenant_usage_days d ON d.tenant_id = t.id AND ((${this_}) OR (${earlier}))
             AND d.meter = ANY (${slot(`{${meters.join(',')}}`)}::text[])
           WHERE t.state IN ('active', 'suspended') AND ${filterSql(filter, slot)}
           GROUP BY t.id, d.meter`,
    values,
  };
}

/**
 * Whole months of what plans limit: sums of what adds up, of levels the most there was at the end of a day. Who used
 * nothing in them has one row without a month.
 */
export function monthsOfTenants(
  added: readonly MeterName[],
  levels: readonly MeterName[],
  { from, until }: Days,
  filter: TenantsFilter,
): Statement {
  const values: Statement['values'] = [
    `{${added.join(',')}}`,
    `{${[...added, ...levels].join(',')}}`,
    from,
    until,
  ];
  const slot = (value: string) => `$${values.push(value)}`;
  return {
    text: `SELECT t.id, t.name, t.plan, t.plan_version, to_char(date_trunc('month', d.day::timestamp), 'YYYY-MM-DD') AS month, d.meter,
             CASE WHEN d.meter = ANY ($1::text[]) THEN sum(d.value) ELSE max(d.value) END AS value
           FROM tenants t LEFT JOIN tenant_usage_days d ON d.tenant_id = t.id AND d.meter = ANY ($2::text[])
             AND d.day >= $3::date AND d.day < $4::date
           WHERE t.state IN ('active', 'suspended') AND ${filterSql(filter, slot)}
           GROUP BY t.id, 5, d.meter ORDER BY t.id, month`,
    values,
  };
}
