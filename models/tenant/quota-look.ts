import { freeOf, type Wanted } from '../../policies/quota-book.ts';
import { limitsOn } from '../../policies/quotas.ts';
import type { Sql } from '../scope.ts';
import { ruleColumns, rulesOn } from './quota.ts';
import { counterOf } from './quota-counter.ts';
import type { Holding } from './quota-reserving.ts';
import { windowStart } from './quota-window.ts';

/**
 * Whether there seems to be room, without a lock: for acts that should not be begun when there is none, and are decided
 * about later. What was reserved by somebody who died still counts here; `reserveIn` knows better.
 */
export async function seemsToFit(
  sql: Sql,
  holding: Omit<Holding, 'id' | 'seconds'>,
  wanted: readonly Wanted[],
): Promise<boolean> {
  const rules = await rulesOn(
    sql,
    wanted.map(({ meter }) => meter),
  );
  const limits = wanted.flatMap(({ meter, amount }) =>
    limitsOn(rules, meter, holding).map(({ rule, scopeId }) => ({
      quota_id: rule.id,
      scope_id: scopeId,
      wanted: amount,
    })),
  );
  if (limits.length === 0) return true;
  const rows = await sql<{ wanted: number; now: Date }>(
    `SELECT k.wanted, now() AS now, k.scope_id AS counted_of, 0 AS start, coalesce(c.used, 0) AS used,
       coalesce(c.reserved, 0) AS reserved, c.slices, ${ruleColumns}
     FROM jsonb_to_recordset($1::jsonb) AS k(quota_id text, scope_id text, wanted float8)
     JOIN quotas q ON q.id = k.quota_id LEFT JOIN quota_counters c
       ON c.quota_id = q.id AND c.scope_id = k.scope_id AND c.window_start = ${windowStart('now()')}`,
    [JSON.stringify(limits)],
  );
  return rows.every(({ wanted: more, now, ...row }) => freeOf(counterOf(row), now) >= more);
}
