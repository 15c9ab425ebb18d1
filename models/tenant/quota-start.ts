import { windowOf } from '../../policies/quota-window.ts';
import { metersOf, type QuotaRule, type QuotaScope } from '../../policies/quotas.ts';
import type { Statement } from '../batch.ts';
import { windowStart } from './quota-window.ts';

/**
 * A new limit begins with what the meter says was used of it in its window by now, for each of its scopes: it does not
 * begin anew because it was made in the middle of a month. Whole hours are read from the roll-ups and the rest from
 * single readings. Run while nobody counts (`lockRules`); what has counters already keeps them.
 */
export type Beginning = Pick<
  QuotaRule,
  'id' | 'meter' | 'window' | 'windowMinutes' | 'zone' | 'scope' | 'scopeId'
>;

/** `prefix` is of the tables' names: a schema and a dot, or nothing inside the tenant. */
export function startStatement(rule: Beginning, now: Date, prefix = ''): Statement {
  const values = [rule.id, JSON.stringify(metersOf(rule.meter)), rule.scopeId];
  if (rule.window === 'rolling') return startSlices(rule, values, now, prefix);
  return {
    text: `INSERT INTO ${prefix}quota_counters (quota_id, scope_id, window_start, used)
      SELECT q.id, u.scope_id, ${windowStart('now()')}, sum(u.value)
      FROM ${prefix}quotas q CROSS JOIN (${usesOf(rule, now, prefix)}) AS u
      WHERE q.id = $1 AND $3::text IN ('', u.scope_id) GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING`,
    values,
  };
}

type Scoped = { id: string; series: string };
const ofMeters = 's.meter IN (SELECT jsonb_array_elements_text($2::jsonb))';

/** Tags are those that agents have now; runs are known of single readings alone. */
function scoped(scope: QuotaScope, prefix: string): Scoped {
  const series = `${prefix}usage_series s`;
  const byScope: Record<QuotaScope, Scoped> = {
    tenant: { id: "''", series },
    agent: { id: 's.agent_id', series },
    key: { id: 's.key_id', series },
    run: { id: 'e.run_id', series },
    tag: {
      id: 't.tag',
      series: `${series} JOIN ${prefix}agents a ON a.id = s.agent_id CROSS JOIN unnest(a.tags) AS t(tag)`,
    },
  };
  return byScope[scope];
}

/** What no agent, key or run used counts for none of them. */
const notNobody = ({ id }: Scoped) => (id === "''" ? 'true' : `coalesce(${id}, '') <> ''`);

function usesOf(rule: Beginning, now: Date, prefix: string): string {
  const of = scoped(rule.scope, prefix);
  if (rule.window === 'level')
    return `SELECT ${of.id} AS scope_id, newest.last AS value FROM ${of.series} CROSS JOIN LATERAL (
        SELECT d.last FROM ${prefix}usage_days d WHERE d.series = s.id ORDER BY d.day DESC LIMIT 1) AS newest
      WHERE ${ofMeters} AND ${notNobody(of)}`;
  if (rule.window === 'concurrent' && rule.scope !== 'run')
    return `SELECT ${of.id} AS scope_id, d.value FROM ${of.series} JOIN ${prefix}usage_days d ON d.series = s.id
      WHERE ${ofMeters} AND ${notNobody(of)}`;
  const { start } = windowOf(rule, now);
  const since = `'${start.toISOString()}'::timestamptz`;
  const single = `SELECT ${of.id} AS scope_id, e.value FROM ${of.series} JOIN ${prefix}usage_events e ON e.series = s.id
    WHERE ${ofMeters} AND e.at >= ${since} AND ${notNobody(of)}`;
  if (rule.scope === 'run') return single;
  const hour = new Date(Math.ceil(start.getTime() / 3_600_000) * 3_600_000);
  const whole = `'${hour.toISOString()}'::timestamptz`;
  return `${single} AND e.at < ${whole} UNION ALL
    SELECT ${of.id}, h.value FROM ${of.series} JOIN ${prefix}usage_hours h ON h.series = s.id
    WHERE ${ofMeters} AND h.hour >= ${whole} AND ${notNobody(of)}`;
}

function startSlices(rule: Beginning, values: Statement['values'], now: Date, prefix: string): Statement {
  const of = scoped(rule.scope, prefix);
  return {
    text: `INSERT INTO ${prefix}quota_counters (quota_id, scope_id, window_start, used, slices)
      SELECT $1, scope_id, to_timestamp(0), sum(value), jsonb_object_agg(slice, value) FROM (
        SELECT ${of.id} AS scope_id, sum(e.value) AS value,
          floor(extract(epoch FROM e.at) / $4::numeric)::bigint * $4::bigint AS slice
        FROM ${of.series} JOIN ${prefix}usage_events e ON e.series = s.id
        WHERE ${ofMeters} AND e.at >= $5::timestamptz AND ${notNobody(of)} GROUP BY 1, 3) AS sliced
      WHERE $3::text IN ('', scope_id) GROUP BY 2 ON CONFLICT DO NOTHING`,
    values: [...values, rule.windowMinutes ?? 0, windowOf(rule, now).start.toISOString()],
  };
}
