import { lateDays } from '../../policies/usage-window.ts';
import { auditInTenant } from '../audit.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { inTenant, type Place, type Sql } from '../scope.ts';
import { straddling } from './usage-repair-limits.ts';

/**
 * Counts a day again in other ways, once it is over, and compares: sums of hours with single readings, sums of days with
 * those of hours, tokens with what the providers said of each call, limits with the meter. Nothing is mended here: what
 * differs is kept, told and audited, for somebody has to find out why.
 */
export const reconciliationChecks = ['hours', 'days', 'tokens', 'limits', 'outbox'] as const;
type ReconciliationCheck = (typeof reconciliationChecks)[number];
export type Drift = { check: ReconciliationCheck; what: string; expected: string; actual: string };
export type Reconciled = { day: string; compared: number; drifts: Drift[] };

type Compared = { what: string; expected: string; actual: string };

/** $1 is the day. Each answers every sum it compared. */
const checks: Record<ReconciliationCheck, string> = {
  hours: `SELECT s.meter || ' ' || to_char(hour AT TIME ZONE 'UTC', 'HH24:00') AS what,
      coalesce(sum(e.value), 0)::text AS expected, coalesce(sum(h.value), 0)::text AS actual
    FROM (SELECT series, date_bin('1 hour', at, timestamptz 'epoch') AS hour, sum(value) AS value FROM usage_events
          WHERE at >= $1::date::timestamp AT TIME ZONE 'UTC' AND at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
          GROUP BY 1, 2) AS e
    FULL JOIN (SELECT series, hour, value FROM usage_hours WHERE hour >= $1::date::timestamp AT TIME ZONE 'UTC'
          AND hour < ($1::date + 1)::timestamp AT TIME ZONE 'UTC') AS h USING (series, hour)
    JOIN usage_series s ON s.id = series GROUP BY series, s.meter, hour`,
  days: `SELECT s.meter AS what, coalesce(h.value, 0)::text AS expected, coalesce(d.value, 0)::text AS actual
    FROM (SELECT series, sum(value) AS value FROM usage_hours WHERE hour >= $1::date::timestamp AT TIME ZONE 'UTC'
          AND hour < ($1::date + 1)::timestamp AT TIME ZONE 'UTC' GROUP BY 1) AS h
    FULL JOIN (SELECT series, value FROM usage_days WHERE day = $1::date) AS d USING (series)
    JOIN usage_series s ON s.id = series`,
  // The key of a reading is made of its source and id (usage-ingest.ts), so each call is found by itself, whatever day
  // its answer came.
  tokens: `SELECT u.kind || ' ' || u.model AS what, sum(u.tokens)::text AS expected,
      coalesce(sum(e.value), 0)::text AS actual
    FROM (SELECT seq, model, kind, tokens FROM llm_uses CROSS JOIN LATERAL (VALUES ('input', input_tokens),
            ('output', output_tokens), ('cached', cached_tokens), ('reasoning', reasoning_tokens)) AS t(kind, tokens)
          WHERE at >= $1::date::timestamp AT TIME ZONE 'UTC' AND at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
            AND tokens > 0) AS u
    LEFT JOIN (SELECT key, value FROM usage_events JOIN usage_series s ON s.id = series
          WHERE s.meter LIKE 'tokens.%' AND at >= $1::date::timestamp AT TIME ZONE 'UTC'
            AND at < ($1::date + 2)::timestamp AT TIME ZONE 'UTC') AS e
      ON e.key = left(encode(sha256('freehold'::bytea || '\\x00'::bytea
        || convert_to('llm-use/' || u.seq || '/' || u.kind, 'UTF8')), 'hex'), 32)::uuid
    GROUP BY u.kind, u.model`,
  // Of the organisation as a whole, by month. What was reserved in the month before and used in this one counts there: by
  // so much they may differ (usage-repair-limits.ts).
  limits: `SELECT q.id AS what, c.used::text AS actual,
      CASE WHEN abs(m.used - c.used) <= m.first + ${straddling('q.meter', 'c.window_start')}
          + ${straddling('q.meter', "c.window_start + interval '1 month'")}
        THEN c.used ELSE m.used END::text AS expected
    FROM quotas q JOIN quota_counters c ON c.quota_id = q.id AND c.scope_id = ''
      AND c.window_start = date_trunc('month', $1::date::timestamp) AT TIME ZONE 'UTC'
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(h.value) FILTER (WHERE h.hour < c.window_start + interval '1 month'), 0) AS used,
        coalesce(sum(h.value) FILTER (WHERE h.hour IN (c.window_start, c.window_start + interval '1 month')), 0) AS first
      FROM usage_hours h JOIN usage_series s ON s.id = h.series
      WHERE (s.meter = q.meter OR (q.meter = 'tokens' AND s.meter IN ('tokens.input', 'tokens.output')))
        AND h.hour >= c.window_start AND h.hour <= c.window_start + interval '1 month') AS m
    WHERE q.time_window = 'month' AND q.zone = 'UTC' AND q.scope = 'tenant'`,
  outbox: `SELECT 'notes not counted' AS what, '0' AS expected, count(*)::text AS actual FROM usage_outbox
    WHERE (event ->> 'at')::timestamptz < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'`,
};

// A cause that differs in everything is told by some of it.
const driftsMax = 100;

export async function reconcileDay(place: Place, day: string): Promise<Reconciled> {
  return inTenant(place, async ({ sql }) => {
    const done = await reconcileIn(sql, day);
    if (done.drifts.length > 0) await auditDrift(sql, done);
    return done;
  });
}

export async function reconcileIn(sql: Sql, day: string): Promise<Reconciled> {
  const done: Reconciled = { day, compared: 0, drifts: [] };
  // Before anything is compared: what comes meanwhile has it compared again.
  const [{ events = '0' } = {}] = await sql<{ events: string }>(`SELECT ${eventsOf('$1::date')} AS events`, [
    day,
  ]);
  for (const check of reconciliationChecks) {
    const rows = await sql<Compared>(checks[check], [day]);
    done.compared += rows.length;
    const differing = rows.filter(({ expected, actual }) => Number(expected) !== Number(actual));
    done.drifts.push(...differing.map((row) => ({ check, ...row })));
  }
  await keep(sql, done, events);
  return done;
}

/** Of how many readings the sums of a day are. */
const eventsOf = (day: string) =>
  `(SELECT coalesce(sum(events), 0)::text FROM usage_days u WHERE u.day = ${day})`;

async function keep(sql: Sql, { day, compared, drifts }: Reconciled, events: string): Promise<void> {
  await sql(
    `INSERT INTO usage_reconciliations (day, compared, drifts, events) VALUES ($1, $2, $3::jsonb, $4)
     ON CONFLICT (day) DO UPDATE SET compared = excluded.compared, drifts = excluded.drifts, events = excluded.events,
       at = now()`,
    [day, compared, JSON.stringify(drifts.slice(0, driftsMax)), events],
  );
}

async function auditDrift(sql: Sql, { day, compared, drifts }: Reconciled): Promise<void> {
  await auditInTenant(sql, {
    actor: { kind: 'system', id: 'system:meter' },
    action: 'reconcile Usage',
    subject: { type: 'Usage', id: day },
    outcome: 'failed',
    rule: 'what is counted in two ways is the same',
    details: { day, compared, drifts: drifts.length, first: drifts[0] },
  });
}

/**
 * The days that are over and were not looked at, or whose sums are of other readings since, the oldest first: from the
 * first of the meter on, and for as long as its sums may change.
 */
export async function daysToReconcile(place: Place, now = new Date()): Promise<string[]> {
  const rows = await inTenant(place, ({ sql }) =>
    sql<{ day: string }>(
      `SELECT to_char(d.day, 'YYYY-MM-DD') AS day
       FROM (SELECT ($1::timestamptz AT TIME ZONE 'UTC')::date AS today, min(day) AS first FROM usage_days) AS span
       CROSS JOIN generate_series(greatest(first, today - ${lateDays + 1})::timestamp, today - 1, interval '1 day') AS d(day)
       LEFT JOIN usage_reconciliations r ON r.day = d.day::date
       WHERE first IS NOT NULL AND r.events::text IS DISTINCT FROM ${eventsOf('d.day::date')} ORDER BY 1`,
      [now],
    ),
  );
  return rows.map(({ day }) => day);
}

export type Listed = { before: string | undefined; limit: number };

/** A row also for a day that was not compared: without `day`. */
export const reconciliationById = (tenantId: string, id: string): Statement => ({
  text: `SELECT $1::text AS id, (SELECT to_char(day, 'YYYY-MM-DD') FROM ${schemaOf(tenantId)}.usage_reconciliations
           WHERE to_char(day, 'YYYYMMDD') = $1 FOR UPDATE) AS day`,
  values: [id],
});

export const reconciliationList = (tenantId: string, { before, limit }: Listed): Statement => ({
  text: `SELECT to_char(day, 'YYYYMMDD') AS id, to_char(day, 'YYYY-MM-DD') AS day, compared, drifts, at
         FROM ${schemaOf(tenantId)}.usage_reconciliations
         WHERE $1::bigint IS NULL OR to_char(day, 'YYYYMMDD')::bigint < $1 ORDER BY usage_reconciliations.day DESC LIMIT $2`,
  values: [before ?? null, limit],
});
