import { type Forecast, forecast, forecastLevel } from '../../policies/forecast.ts';
import { type Limited, metersOf, type QuotaScope, type QuotaWindow } from '../../policies/quotas.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { placeWithin, type Sql } from '../scope.ts';

/** When a limit will be reached, from the hours of the meter's recent past (policies/forecast.ts). */
export type Limit = {
  meter: Limited;
  window: QuotaWindow;
  scope: QuotaScope;
  /** Whose use counts; empty: everybody's. */
  scopeId: string;
  amount: number;
  used: number;
  resetsAt: Date | null;
};

const historyDays = 28;
const levelDays = 7;

/** What is used in a moment, by one run or by nobody has no hours to be foreseen by; and of a rolling window some is always free again. */
const foreseeable = ({ window, scope, scopeId }: Pick<Limit, 'window' | 'scope' | 'scopeId'>): boolean =>
  window !== 'concurrent' &&
  window !== 'rolling' &&
  scope !== 'run' &&
  (scope === 'tenant' || scopeId !== '');

/** Whose readings count, as a condition on `s`, the series; $2 is whose. Of a run there are no sums. */
export const whoseSeries = (scope: QuotaScope, agents: string): string =>
  ({
    tenant: '$2::text IS NOT NULL',
    agent: 's.agent_id = $2',
    key: 's.key_id = $2',
    tag: `s.agent_id IN (SELECT a.id FROM ${agents} a WHERE $2 = ANY (a.tags))`,
    run: '$2::text IS NULL',
  })[scope];

/** Whose use, of what: limits that ask for the same are told by the same hours. */
type History = Pick<Limit, 'meter' | 'window' | 'scope' | 'scopeId'>;

const historyKey = ({ meter, window, scope, scopeId }: History): string =>
  JSON.stringify([meter, window === 'level', scope, scopeId]);

/**
 * The hours that tell how limits are used, for `foreseenOf`, in one statement however many limits there are. Each series
 * is turned into whom it counts for, so that what it takes grows with the series and the limits, not with both together.
 */
export function hoursOf(tenantId: string, limits: readonly History[]): Statement {
  const schema = schemaOf(tenantId);
  const histories = new Map(limits.filter(foreseeable).map((each) => [historyKey(each), each]));
  const asked = [...histories].flatMap(([key, { meter, window, scope, scopeId }]) =>
    metersOf(meter).map((name) => ({
      key,
      meter: name,
      level: window === 'level',
      scope,
      scope_id: scopeId,
    })),
  );
  return {
    text: `SELECT a.key, h.hour, sum(CASE WHEN a.level THEN h.last ELSE h.value END)::float8 AS used
           FROM jsonb_to_recordset($1::jsonb) AS a(key text, meter text, level boolean, scope text, scope_id text)
             JOIN (${schema}.usage_series s CROSS JOIN LATERAL (
               VALUES ('tenant', ''), ('agent', s.agent_id), ('key', s.key_id)
               UNION ALL SELECT 'tag', t.tag FROM ${schema}.agents g CROSS JOIN unnest(g.tags) AS t(tag)
                 WHERE g.id = s.agent_id) AS w(scope, scope_id))
               ON s.meter = a.meter AND w.scope = a.scope AND w.scope_id = a.scope_id
             JOIN ${schema}.usage_hours h ON h.series = s.id
           WHERE s.meter IN (SELECT value->>'meter' FROM jsonb_array_elements($1::jsonb))
             AND h.hour > now() - make_interval(days => CASE WHEN a.level THEN ${levelDays} ELSE ${historyDays} END)
           GROUP BY 1, 2`,
    values: [JSON.stringify(asked)],
  };
}

/** Each limit's own, of the rows of `hoursOf`; `limit` may be another amount of the same. */
export function foreseenOf(limit: Limit, rows: readonly Row[], now: Date): Forecast {
  const key = historyKey(limit);
  const hours = rows.flatMap((row) =>
    row.key === key && row.hour instanceof Date ? { hour: row.hour, used: Number(row.used) } : [],
  );
  return foreseen(limit, hours, now);
}

type Hour = { hour: Date; used: number };

function foreseen(limit: Limit, hours: readonly Hour[], now: Date): Forecast {
  const { window, amount, used, resetsAt } = limit;
  const left = amount - used;
  if (!foreseeable(limit)) return forecast({ hours: [], left, now, resetsAt: null });
  if (window === 'level') {
    const levels = hours.map((each) => ({ at: each.hour.getTime(), level: each.used }));
    return forecastLevel(levels, { at: now.getTime(), level: used }, amount);
  }
  const past = hours.map((each) => ({ at: each.hour.getTime(), used: each.used }));
  return forecast({ hours: past, left, now, resetsAt });
}

/** The same inside the transaction one is in. */
export async function exhaustionOf(sql: Sql, limit: Limit, now = new Date()): Promise<Forecast> {
  const place = placeWithin(sql);
  if (!place) throw new Error('bug: this is not a transaction of inTenant');
  const { text, values } = hoursOf(place.tenantId, [limit]);
  return foreseenOf(limit, await sql(text, values), now);
}
