import { limitsOn, type QuotaRule } from '../../policies/quotas.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { budgetOf, takenOf } from './quota-at-once.ts';
import { windowStart } from './quota-counter.ts';
import type { Asked } from './quota-reserving.ts';

/**
 * The most usual case of all: one counter is all there is to raise, by what this process remembers of the limits. Raising
 * it is locking it, and the UPDATE looks again at what it has by then, should it have waited for somebody else's. If
 * there are other limits than it remembers, or it does not fit, or is there already, nothing is done.
 */
const text = (schema: string) => `WITH raised AS (
    UPDATE ${schema}.quota_counters c SET reserved = c.reserved + $3::numeric, updated_at = now()
    FROM (SELECT q.*, ${windowStart('now()')} AS starts,
        CASE WHEN q.raised_until > now() THEN greatest(q.amount, q.raised_to) ELSE q.amount END AS most
      FROM ${schema}.quotas q WHERE q.id = $1 OFFSET 0) AS d
    WHERE c.quota_id = $1 AND c.scope_id = $2 AND c.window_start = d.starts
      AND (NOT d.hard OR ${takenOf('d')} + $3::numeric <= d.most)
      AND (SELECT array_agg(q.id ORDER BY q.id) FROM ${schema}.quotas q) = $4::text[]
      AND NOT EXISTS (SELECT FROM ${schema}.quota_reservations r WHERE r.id = ANY ($5::text[]))
    RETURNING extract(epoch FROM c.window_start)::bigint AS starts)
  INSERT INTO ${schema}.quota_reservations (id, run_id, holds, budget, expires_at)
  SELECT n.id, n.run_id, replace(n.holds, '"@"', starts::text)::jsonb, n.budget,
    clock_timestamp() + n.seconds * interval '1 second'
  FROM raised, jsonb_to_recordset($6::jsonb) AS n(id text, run_id text, seconds numeric, holds text, budget jsonb)
  RETURNING true AS fits, created_at AS now`;

export function reserveOfOne(
  tenantId: string,
  asked: readonly Asked[],
  rules: readonly QuotaRule[],
): Statement | undefined {
  const counter = onlyCounter(asked, rules);
  if (!counter) return undefined;
  const [quotaId, scopeId] = counter;
  let total = 0;
  const wants = asked.map(({ holding: { id, runId = null, seconds }, wanted }) => {
    // In the place of @ the database writes when the window begins.
    const holds = wanted.map(({ meter, amount }) => ({ quotaId, scopeId, windowStart: '@', meter, amount }));
    for (const { amount } of wanted) total += amount;
    return { id, run_id: runId, seconds, holds: JSON.stringify(holds), budget: budgetOf(wanted) };
  });
  return {
    text: text(schemaOf(tenantId)),
    values: [
      ...[quotaId, scopeId, total, arrayOf(rules.map(({ id }) => id))],
      ...[arrayOf(wants.map(({ id }) => id)), JSON.stringify(wants)],
    ],
  };
}

/** The counter that every meter of every act falls under, where there is no other. */
function onlyCounter(asked: readonly Asked[], rules: readonly QuotaRule[]): [string, string] | undefined {
  let only: [string, string] | undefined;
  for (const { holding, wanted } of asked)
    for (const { meter } of wanted) {
      const [limit, ...more] = limitsOn(rules, meter, holding);
      if (!limit || more.length > 0) return undefined;
      const { rule, scopeId } = limit;
      if (only && (only[0] !== rule.id || only[1] !== scopeId)) return undefined;
      only = [rule.id, scopeId];
    }
  return only;
}

const arrayOf = (texts: readonly string[]): string =>
  `{${texts.map((each) => JSON.stringify(each)).join(',')}}`;
