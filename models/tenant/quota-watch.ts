import { type Counter, usedAt } from '../../policies/quota-book.ts';
import type { Slices } from '../../policies/quota-window.ts';
import { effectiveAmount, planQuotaId } from '../../policies/quotas.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import { ruleColumns, ruleOf } from './quota.ts';
import { type Crossed, noticeCrossings } from './quota-crossing.ts';
import { type Open, type Resolved, resolve } from './quota-resolution.ts';
import { windowStart } from './quota-window.ts';

/**
 * Looks at all limits of a tenant: what was measured, or whose limit was changed, may have crossed a threshold; what was
 * crossed may be over.
 */
type Levels = ReadonlyMap<string, number>;

/** What nobody has to measure, for it can be counted: agents and seats, by the ids of their limits. */
async function liveLevels(sql: Sql): Promise<Levels> {
  const [row] = await sql<{ agents: number; seats: number }>(
    `SELECT (SELECT count(*)::int FROM agents) AS agents,
       (SELECT count(*)::int FROM users u WHERE u.state = 'active' OR EXISTS (
         SELECT FROM invitations i WHERE i.user_id = u.id AND i.state = 'pending' AND i.expires_at > now())) AS seats`,
  );
  return new Map([
    [planQuotaId('agents'), row?.agents ?? 0],
    [planQuotaId('seats'), row?.seats ?? 0],
  ]);
}

/** Of runs, of which there are thousands, nothing happens while nobody acts. */
export async function crossedNow(sql: Sql): Promise<Crossed[]> {
  const levels = await liveLevels(sql);
  const rows = await sql<Row>(
    `SELECT ${ruleColumns}, coalesce(c.scope_id, '') AS counted_of, coalesce(c.used, 0) AS used, c.slices, now() AS at,
       coalesce(c.window_start, ${windowStart('now()')}) AS since
     FROM quotas q LEFT JOIN quota_counters c ON c.quota_id = q.id AND c.window_start = ${windowStart('now()')}
     WHERE q.scope <> 'run'`,
  );
  const used = rows.map((row) => ({ row, after: usedOf(row, levels) })).filter(({ after }) => after > 0);
  return noticeCrossings(
    sql,
    used.map(({ row, after }) => ({
      quotaId: String(row.id),
      scopeId: String(row.counted_of),
      windowStart: row.since as Date, // a timestamptz
      amount: effectiveAmount(ruleOf(row), row.at as Date),
      before: 0,
      after,
    })),
  );
}

export async function resolvedNow(sql: Sql): Promise<Resolved[]> {
  const levels = await liveLevels(sql);
  const rows = await sql<Row>(
    `SELECT ${ruleColumns}, o.scope_id AS counted_of, o.window_start AS since, o.threshold, o.amount AS was, o.told_at >= o.crossed_at AS told,
       coalesce(o.resets_at <= now(), false) AS turned, coalesce(c.used, 0) AS used, c.slices, now() AS at
     FROM quota_crossings o JOIN quotas q ON q.id = o.quota_id LEFT JOIN quota_counters c
       ON c.quota_id = o.quota_id AND c.scope_id = o.scope_id AND c.window_start = o.window_start
     WHERE o.resolved_at IS NULL`,
  );
  return resolve(
    sql,
    rows.map((row): Open => {
      const rule = ruleOf(row);
      const { id: quotaId, meter, window, windowMinutes, scope } = rule;
      return {
        ...{ quotaId, meter, window, windowMinutes, scope },
        scopeId: String(row.counted_of),
        windowStart: row.since as Date, // a timestamptz
        threshold: Number(row.threshold),
        told: row.told === true,
        turned: row.turned === true,
        was: Number(row.was),
        amount: effectiveAmount(rule, row.at as Date),
        used: usedOf(row, levels),
      };
    }),
  );
}

function usedOf(row: Row, levels: Levels): number {
  const rule = ruleOf(row);
  const live = levels.get(rule.id);
  if (live !== undefined) return live;
  const slices = (row.slices ?? null) as Slices | null; // written by quota-counter.ts
  const counter: Counter = { rule, scopeId: '', windowStart: 0, used: Number(row.used), reserved: 0, slices };
  return usedAt(counter, row.at as Date);
}
