import { slicesWithin, windowOf } from '../../policies/quota-window.ts';
import { effectiveAmount, type QuotaRule } from '../../policies/quotas.ts';
import type { Standing } from '../../policies/usage-ladder.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import { ruleColumns, ruleOf } from './quota.ts';
import { windowStart } from './quota-window.ts';

/** How limits stand just now: what was used in the window of the moment, of each scope that has used anything in it. */
export type Counted = Standing & Pick<QuotaRule, 'thresholds'>;

export async function standingsIn(sql: Sql, now: Date): Promise<Counted[]> {
  const rows = await sql<Row>(
    `SELECT ${ruleColumns}, c.scope_id AS counted_of, c.used, c.slices
     FROM quotas q JOIN quota_counters c ON c.quota_id = q.id AND c.window_start = ${windowStart('$1::timestamptz')}
     ORDER BY q.id, c.scope_id`,
    [now],
  );
  return rows.map((row) => standingOf(row, now));
}

function standingOf(row: Row, now: Date): Counted {
  const rule = ruleOf(row);
  const { id: quotaId, meter, window, windowMinutes, scope, origin, hard, thresholds } = rule;
  return {
    quotaId,
    meter,
    window,
    windowMinutes,
    scope,
    scopeId: String(row.counted_of),
    origin,
    hard,
    thresholds,
    limit: effectiveAmount(rule, now),
    used: usedOf(row, rule, now),
    ...calendarOf(rule, now),
  };
}

/** Of a rolling window what has not fallen out of it. */
function usedOf({ used, slices }: Row, rule: QuotaRule, now: Date): number {
  if (rule.window !== 'rolling' || slices === null) return Number(used);
  const within = slicesWithin(rule, slices as Record<string, number>, now); // written by the ledger
  return Object.values(within).reduce((sum, each) => sum + each, 0);
}

/** Only what ends at a time has a window that a measure can belong to. */
function calendarOf(rule: QuotaRule, now: Date): Pick<Standing, 'windowStart' | 'windowEnd'> {
  const { start, end } = windowOf(rule, now);
  return end ? { windowStart: start, windowEnd: end } : { windowStart: null, windowEnd: null };
}
