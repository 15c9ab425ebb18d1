import { meterNames, meterOf } from '../../policies/meters.ts';
import type { Sql } from '../scope.ts';
import { lockRules } from './quota.ts';
import { type Drift, reconcileIn } from './usage-reconciliation.ts';
import { limitsTruth } from './usage-repair-limits.ts';
import { byDay, byHour, summed } from './usage-writing.ts';

/**
 * Makes the sums of one day, and the limits whose windows it is in, what the single readings say; the readings themselves
 * are never changed. While it lasts nothing of this organisation is taken into the meter and nothing reserved, so what comes meanwhile
 * is added to the mended sums, and nothing is missed or added twice. Done again it changes nothing.
 */
export const repairParts = ['hours', 'days', 'members', 'limits'] as const;
type RepairPart = (typeof repairParts)[number];
type Change = { part: RepairPart; what: string; before: string | null; after: string | null };
export type Repaired = { changed: number; changes: Change[]; remaining: Drift[] };

const ofDay = (column: string) =>
  `${column} >= $1::date::timestamp AT TIME ZONE 'UTC' AND ${column} < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'`;
const events = `(SELECT series, at, value FROM usage_events WHERE ${ofDay('at')}) AS events`;
const storedHours = `(SELECT * FROM usage_hours WHERE ${ofDay('hour')}) AS hours`;

/** $2: the series of time-weighted meters. */
const texts: Record<RepairPart, string> = {
  hours: sums({
    table: 'usage_hours',
    bucket: 'hour',
    truth: byHour(events, '$2'),
    where: ofDay('hour'),
    name: `to_char(hour AT TIME ZONE 'UTC', ' HH24:00')`,
  }),
  days: sums({
    table: 'usage_days',
    bucket: 'day',
    truth: byDay(storedHours, '$2'),
    where: 'day = $1::date',
    name: "''",
  }),
  members: `WITH truth AS (
      SELECT DISTINCT series, member FROM usage_events WHERE ${ofDay('at')} AND member IS NOT NULL),
    stored AS (SELECT series, member FROM usage_members WHERE day = $1::date),
    gone AS (DELETE FROM usage_members m WHERE day = $1::date
      AND NOT EXISTS (SELECT FROM truth t WHERE t.series = m.series AND t.member = m.member)),
    made AS (INSERT INTO usage_members (series, day, member)
      SELECT series, $1::date, member FROM (TABLE truth EXCEPT TABLE stored) AS missing)
    SELECT s.meter AS what, count(h.series)::text AS before, count(t.series)::text AS after
    FROM truth t FULL JOIN stored h USING (series, member) JOIN usage_series s ON s.id = series
    WHERE $2::int[] IS NOT NULL GROUP BY series, s.meter
    HAVING bool_or(h.series IS NULL OR t.series IS NULL) ORDER BY 1`,
  limits: `WITH truth AS (${limitsTruth}),
    mended AS (UPDATE quota_counters c SET used = t.used, updated_at = now() FROM truth t
      WHERE c.quota_id = t.quota_id AND c.scope_id = t.scope_id AND c.window_start = t.starts AND t.differs)
    SELECT concat_ws(' ', quota_id, nullif(scope_id, '')) AS what, counted::text AS before, used::text AS after
    FROM truth WHERE differs AND $2::int[] IS NOT NULL ORDER BY 1`,
};

type Sums = { table: string; bucket: string; truth: string; where: string; name: string };

function sums({ table, bucket, truth, where, name }: Sums): string {
  const columns = (of: string) => summed.map((column) => `${of}.${column}`).join(', ');
  return `WITH truth AS (${truth}), stored AS (SELECT * FROM ${table} WHERE ${where}),
    differing AS MATERIALIZED (
      SELECT series, ${bucket}, h.value AS before, ${columns('t')} FROM truth t FULL JOIN stored h USING (series, ${bucket})
      WHERE (${columns('t')}) IS DISTINCT FROM (${columns('h')})),
    gone AS (DELETE FROM ${table} h USING differing d
      WHERE d.events IS NULL AND h.series = d.series AND h.${bucket} = d.${bucket}),
    put AS (INSERT INTO ${table} (series, ${bucket}, ${summed.join(', ')})
      SELECT series, ${bucket}, ${summed.join(', ')} FROM differing WHERE events IS NOT NULL ORDER BY series, ${bucket}
      ON CONFLICT (series, ${bucket}) DO UPDATE SET ${summed.map((each) => `${each} = excluded.${each}`).join(', ')})
    SELECT s.meter || ${name} AS what, d.before::text AS before, d.value::text AS after
    FROM differing d JOIN usage_series s ON s.id = d.series ORDER BY 1`;
}

export async function repairDay(sql: Sql, day: string): Promise<Repaired> {
  // Whoever writes sums locks their rows before the limits, so that is the order here; readers are not kept waiting.
  await sql('LOCK TABLE usage_hours, usage_days, usage_members IN SHARE ROW EXCLUSIVE MODE');
  await lockRules(sql, 'to change');
  const timed = await timedSeries(sql);
  const changes: Change[] = [];
  for (const part of repairParts) {
    const rows = await sql<Omit<Change, 'part'>>(texts[part], [day, timed]);
    changes.push(...rows.map((row) => ({ part, ...row })));
  }
  const { drifts } = await reconcileIn(sql, day);
  return { changed: changes.length, changes: changes.slice(0, changesMax), remaining: drifts };
}

// What is wrong everywhere is shown by some of it.
const changesMax = 100;

const timedMeters = meterNames.filter((name) => meterOf(name).aggregation === 'time-weighted');

async function timedSeries(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: number }>('SELECT id FROM usage_series WHERE meter = ANY ($1)', [timedMeters]);
  return rows.map(({ id }) => id);
}
