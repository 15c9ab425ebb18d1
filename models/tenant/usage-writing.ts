/**
 * The statement that writes readings, in two kinds. The careful one passes over what is known and says which it was; the
 * hopeful one fails as a whole on the first that is known (usage_keys_pkey). Everything is written in one order, so that
 * two who write the same wait for each other in one direction.
 *
 * $1 keys, $2 times (milliseconds since 1970), $3 values, $4 whether late, $5 members, $6 runs, $7 series,
 * $8 the table whose numbers these are, $9 those of them that are time-weighted. Answers the numbers of those that were known, from 1; or 0 alone,
 * with nothing written, when the numbers are of another table.
 */
export type Careful = 'careful' | 'hopeful';

/** Of two readings of one moment the greater is the last, so that it does not matter which came first. */
const upsert = (table: string, bucket: string, from: string) => `
  INSERT INTO ${table} AS was (series, ${bucket}, value, events, peak, last, last_at, weighted)
  SELECT series, ${bucket}, value, events, peak, last, last_at, weighted FROM ${from} ORDER BY series, ${bucket}
  ON CONFLICT (series, ${bucket}) DO UPDATE SET
    value = was.value + excluded.value, events = was.events + excluded.events,
    peak = greatest(was.peak, excluded.peak), weighted = was.weighted + excluded.weighted,
    last = CASE WHEN (excluded.last_at, excluded.last) > (was.last_at, was.last) THEN excluded.last ELSE was.last END,
    last_at = greatest(was.last_at, excluded.last_at)`;

/** What is kept of the readings of an hour or a day. */
export const summed = ['value', 'events', 'peak', 'last', 'last_at', 'weighted'] as const;

/** `timed`: the slot of the numbers of time-weighted series. */
export const byHour = (events: string, timed: string) => `
    SELECT series, hour, sum(value) AS value, count(*) AS events, max(value) AS peak,
      (array_agg(value ORDER BY at DESC, value DESC))[1] AS last, max(at) AS last_at,
      coalesce(sum(value * (3600 - extract(epoch FROM at - hour))) FILTER (WHERE series = ANY (${timed}::int[])), 0) AS weighted
    FROM (SELECT *, date_bin('1 hour', at, timestamptz 'epoch') AS hour FROM ${events}) AS e GROUP BY series, hour`;

export const byDay = (hours: string, timed: string) => `
    SELECT series, (hour AT TIME ZONE 'UTC')::date AS day, sum(value) AS value, sum(events)::bigint AS events,
      max(peak) AS peak, (array_agg(last ORDER BY last_at DESC, last DESC))[1] AS last, max(last_at) AS last_at,
      coalesce(sum(weighted + value * 3600 * (23 - extract(hour FROM hour AT TIME ZONE 'UTC')))
        FILTER (WHERE series = ANY (${timed}::int[])), 0) AS weighted
    FROM ${hours} GROUP BY 1, 2`;

const given = `given AS MATERIALIZED (
    SELECT key, to_timestamp(ms / 1000) AS at, value, late, member, run_id, series, n
    FROM unnest($1::uuid[], $2::float8[], $3::numeric[], $4::boolean[], $5::text[], $6::text[], $7::int[])
      WITH ORDINALITY AS g(key, ms, value, late, member, run_id, series, n)
    WHERE 'usage_series'::regclass::oid::text = $8)`;

const writing = (fresh: string) => `
  corrections AS (
    INSERT INTO usage_corrections (key, series, at, value, member, run_id)
    SELECT key, series, at, value, member, run_id FROM ${fresh} WHERE late ON CONFLICT DO NOTHING),
  events AS (
    INSERT INTO usage_events (key, series, at, value, member, run_id)
    SELECT key, series, at, value, member, run_id FROM ${fresh} WHERE NOT late RETURNING series, at, value, member),
  hours AS MATERIALIZED (${byHour('events', '$9')}),
  days AS (${byDay('hours', '$9')}),
  hourly AS (${upsert('usage_hours', 'hour', 'hours')}),
  daily AS (${upsert('usage_days', 'day', 'days')}),
  members AS (
    INSERT INTO usage_members (series, day, member)
    SELECT DISTINCT series, (at AT TIME ZONE 'UTC')::date, member FROM events WHERE member IS NOT NULL ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING)`;

const taken = (conflict: string) =>
  `taken AS (INSERT INTO usage_keys (key, at) SELECT key, now() FROM given ORDER BY key ${conflict})`;

const ofAnotherTable = `SELECT 0 AS n WHERE 'usage_series'::regclass::oid::text <> $8`;

export const writingSql: Record<Careful, string> = {
  hopeful: `WITH ${given}, ${taken('')}, ${writing('given')} ${ofAnotherTable}`,
  careful: `WITH ${given}, ${taken('ON CONFLICT DO NOTHING RETURNING key')},
    fresh AS MATERIALIZED (SELECT given.* FROM given JOIN taken USING (key)), ${writing('fresh')}
    SELECT n::int FROM given WHERE NOT EXISTS (SELECT FROM taken WHERE taken.key = given.key)
    UNION ALL ${ofAnotherTable}`,
};
