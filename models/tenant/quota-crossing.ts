import type { Principal } from '../../policies/principal.ts';
import type { Limited, QuotaScope, QuotaWindow } from '../../policies/quotas.ts';
import { quietHours } from '../../policies/threshold.ts';
import { auditInTenant } from '../audit.ts';
import type { Sql } from '../scope.ts';
import { amountNow } from './quota.ts';
import type { Charged } from './quota-charge.ts';
import { exhaustionOf } from './quota-forecast.ts';
import { windowEnd } from './quota-window.ts';
import { queueWebhook } from './webhook.ts';

/**
 * Near a limit: each threshold is crossed once in each window, whoever notices it, in the transaction in which the use was
 * counted. Of several that are crossed at once people are told of the highest. Once it is resolved, for the limit was
 * raised or use fell, it can be crossed again.
 */
export type Crossing = Pick<Charged, 'quotaId' | 'scopeId' | 'windowStart'> & {
  threshold: number;
  used: number;
  amount: number;
  /** When the window turns; null where it never does. */
  resetsAt: Date | null;
  meter: Limited;
  window: QuotaWindow;
  windowMinutes: number | null;
  scope: QuotaScope;
};

const endsAt = windowEnd('c."windowStart"');
/** As it is kept with what is told of it (limit-news.ts). */
export type Crossed = Omit<Crossing, 'windowStart' | 'resetsAt'> &
  Record<'windowStart', string> &
  Record<'resetsAt' | 'exhaustedAt', string | null>;

const meter: Principal = { kind: 'system', id: 'system:meter' };

/** Answers those that people are to be told of, with whatever else came of them. */
export async function noticeCrossings(sql: Sql, charged: readonly Charged[]): Promise<Crossed[]> {
  if (charged.length === 0) return [];
  const highest = await crossed(sql, charged);
  if (highest.length === 0) return [];
  const news: Crossed[] = [];
  for (const crossing of await toBeTold(sql, highest)) news.push(await written(sql, crossing));
  return news;
}

async function crossed(sql: Sql, charged: readonly Charged[]): Promise<Crossing[]> {
  return sql<Crossing>(
    `WITH reached AS (
       SELECT c.*, t.threshold, ${amountNow} AS amount, ${endsAt} AS "resetsAt"
       FROM jsonb_to_recordset($1::jsonb) AS c("quotaId" text, "scopeId" text, "windowStart" timestamptz, before numeric, after numeric)
         JOIN quotas q ON q.id = c."quotaId" CROSS JOIN unnest(q.thresholds) AS t(threshold)
       WHERE c.after > c.before AND c.after > 0 AND c.after * 100 >= t.threshold * (${amountNow})
         AND coalesce(${endsAt} > now(), true)
         AND NOT EXISTS (SELECT FROM quota_crossings o WHERE o.quota_id = q.id AND o.scope_id = c."scopeId"
           AND o.window_start = c."windowStart" AND o.threshold = t.threshold AND o.resolved_at IS NULL)
     ), crossed AS (
       INSERT INTO quota_crossings (quota_id, scope_id, window_start, threshold, used, amount, resets_at)
       SELECT "quotaId", "scopeId", "windowStart", threshold, after, amount, "resetsAt" FROM reached ORDER BY 1, 2, 3, 4
       ON CONFLICT (quota_id, scope_id, window_start, threshold) DO UPDATE SET crossed_at = now(), resolved_at = NULL,
         used = excluded.used, amount = excluded.amount, resets_at = excluded.resets_at
         WHERE quota_crossings.resolved_at IS NOT NULL
       RETURNING *)
     SELECT DISTINCT ON (c.quota_id, c.scope_id, c.window_start) c.quota_id AS "quotaId", c.scope_id AS "scopeId",
       c.window_start AS "windowStart", c.threshold, c.used::float8 AS used, c.amount::float8 AS amount,
       c.resets_at AS "resetsAt", q.meter, q.time_window AS window, q.window_minutes AS "windowMinutes", q.scope
     FROM crossed c JOIN quotas q ON q.id = c.quota_id
     ORDER BY c.quota_id, c.scope_id, c.window_start, c.threshold DESC`,
    [JSON.stringify(charged)],
  );
}

const quietSql = Object.entries(quietHours)
  .map(([window, hours]) => `WHEN '${window}' THEN ${hours}`)
  .join(' ');

/** Those of which nobody was told lately; of runs, of which there are thousands, not of the same limit either. */
async function toBeTold(sql: Sql, highest: readonly Crossing[]): Promise<Crossing[]> {
  const news: Crossing[] = [];
  for (const crossing of highest) {
    const told = await sql(
      `UPDATE quota_crossings c SET told_at = now() FROM quotas q
       WHERE c.quota_id = $1 AND c.scope_id = $2 AND c.window_start = $3 AND c.threshold = $4 AND q.id = c.quota_id
         AND NOT EXISTS (SELECT FROM quota_crossings o WHERE o.quota_id = c.quota_id AND o.threshold = c.threshold
           AND (q.scope = 'run' OR o.scope_id = c.scope_id)
           AND o.told_at > now() - make_interval(hours => CASE q.time_window ${quietSql} END))
       RETURNING c.quota_id`,
      [crossing.quotaId, crossing.scopeId, crossing.windowStart, crossing.threshold],
    );
    if (told.length > 0) news.push(crossing);
  }
  return news;
}

async function written(sql: Sql, crossing: Crossing): Promise<Crossed> {
  const { quotaId, resetsAt, windowStart, ...rest } = crossing;
  const { exhaustedAt } = await exhaustionOf(sql, crossing);
  const data = {
    quotaId,
    ...rest,
    windowStart: windowStart.toISOString(),
    resetsAt: resetsAt?.toISOString() ?? null,
    exhaustedAt: exhaustedAt?.toISOString() ?? null,
  };
  const subject = { type: 'Quota', id: quotaId };
  await queueWebhook(sql, 'quota.threshold', data);
  await auditInTenant(sql, { actor: meter, action: 'cross Quota', subject, outcome: 'done', details: data });
  return data;
}
