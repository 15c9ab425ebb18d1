import { windowEnd } from './quota-window.ts';

/**
 * What limits of whole days, weeks and months should have counted by the single readings, wherever the day $1 is in their
 * window. What was reserved before a window's edge counts where it was reserved, so about as much may differ: what was used in
 * the hour after an edge, and the budgets of runs that were under way at it. Limits of shorter windows are over by then,
 * rolling ones forget, and levels are measured anew.
 */
export const straddling = (
  meter: string,
  edge: string,
) => `CASE WHEN ${meter} LIKE 'tokens%' OR ${meter} = 'steps' THEN (
    SELECT coalesce(sum((r.budget ->> CASE WHEN ${meter} = 'steps' THEN 'steps' ELSE 'tokens' END)::numeric), 0)
    FROM runs r WHERE r.budget IS NOT NULL AND r.created_at < ${edge} AND coalesce(r.ended_at, now()) >= ${edge}) ELSE 0 END`;

const within = (from: string, until: string) => `e.at >= ${from} AND e.at < ${until}`;
const hourAfter = (edge: string) => within(edge, `${edge} + interval '1 hour'`);
const ofMeter = `(s.meter = w.meter OR (w.meter = 'tokens' AND s.meter IN ('tokens.input', 'tokens.output')))`;

const windows = `SELECT q.id AS quota_id, q.meter, q.scope, q.created_at, c.scope_id, c.window_start AS starts,
    ${windowEnd('c.window_start')} AS ends, c.used AS counted
  FROM quotas q JOIN quota_counters c ON c.quota_id = q.id
  WHERE q.time_window IN ('day', 'week', 'month') AND q.scope IN ('tenant', 'agent', 'key')
    AND c.window_start < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
    AND ${windowEnd('c.window_start')} > $1::date::timestamp AT TIME ZONE 'UTC'`;

/** Readings that came too late for the sums count against limits all the same, once there is such a limit. */
const readings = `SELECT series, at, value, 'infinity'::timestamptz AS received_at FROM usage_events
  UNION ALL SELECT series, at, value, received_at FROM usage_corrections`;

export const limitsTruth = `SELECT t.*, abs(t.used - t.counted) > t.edges AS differs FROM (
  SELECT w.quota_id, w.scope_id, w.starts, w.counted, coalesce(sum(e.value) FILTER (WHERE ${within('w.starts', 'w.ends')}), 0) AS used,
    coalesce(sum(e.value) FILTER (WHERE (${hourAfter('w.starts')}) OR (${hourAfter('w.ends')})), 0)
      + ${straddling('w.meter', 'w.starts')} + ${straddling('w.meter', 'w.ends')} AS edges
  FROM (${windows}) AS w LEFT JOIN (usage_series s JOIN (${readings}) AS e ON e.series = s.id)
    ON ${ofMeter} AND CASE w.scope WHEN 'agent' THEN s.agent_id = w.scope_id WHEN 'key' THEN s.key_id = w.scope_id ELSE true END
      AND ${within('w.starts', "w.ends + interval '1 hour'")} AND e.received_at >= w.created_at
  GROUP BY w.quota_id, w.scope_id, w.starts, w.ends, w.meter, w.counted) AS t`;
