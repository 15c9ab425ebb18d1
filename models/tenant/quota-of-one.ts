import { type Applied, limitsOn } from '../../policies/quotas.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { budgetOf } from './quota-at-once.ts';
import type { Known } from './quota-memory.ts';
import type { Asked } from './quota-reserving.ts';

/**
 * The most usual case of all: one counter is all there is to raise, as this process remembers the limits, and the counter
 * says that it was last found so by the same ones. It is raised by its key alone, and looks again at what it has should
 * it have waited for somebody else's. If limits were changed since, its window or a raise is over, it does not fit, or
 * is there already, nothing is done.
 */
const heldText = (schema: string, { ids, wants }: typeof one) => `WITH raised AS (
    UPDATE ${schema}.quota_counters c SET reserved = c.reserved + $4::numeric, updated_at = now()
    WHERE c.quota_id = $1 AND c.scope_id = $2 AND c.window_start = to_timestamp($3::float8)
      AND c.rules = $5 AND now() < $6::timestamptz
      AND c.reserved + greatest(0, c.used) + $4::numeric <= $7::numeric
      AND NOT EXISTS (SELECT FROM ${schema}.quota_reservations r WHERE r.id ${ids})
    RETURNING 1)
  INSERT INTO ${schema}.quota_reservations (id, run_id, holds, budget, expires_at)
  SELECT n.id, n.run_id, n.holds, n.budget, clock_timestamp() + n.seconds * interval '1 second'
  FROM raised, ${wants} RETURNING true AS fits, created_at AS now`;

// Taking several apart costs a tenth of the whole, so one alone is given as it is.
const one = {
  ids: '= $8',
  wants:
    '(SELECT $8 AS id, $9 AS run_id, $10::numeric AS seconds, $11::jsonb AS holds, $12::jsonb AS budget) AS n',
};
const several = {
  ids: 'IN (SELECT jsonb_array_elements_text($8::jsonb))',
  wants:
    'jsonb_to_recordset($9::jsonb) AS n(id text, run_id text, seconds numeric, holds jsonb, budget jsonb)',
};

export function reserveOfOne(tenantId: string, asked: readonly Asked[], known: Known): Statement | undefined {
  const counter = onlyCounter(asked, known);
  if (!counter) return undefined;
  const { rule, scopeId } = counter;
  const quotaId = rule.id;
  const now = known.now.get(quotaId);
  if (!now || rule.window === 'rolling' || now.until.getTime() <= Date.now()) return undefined;
  let total = 0;
  const wants = asked.map(({ holding: { id, runId = null, seconds }, wanted }) => {
    const holds = wanted.map(({ meter, amount }) => ({
      ...{ quotaId, scopeId, windowStart: now.start, meter, amount },
    }));
    for (const { amount } of wanted) total += amount;
    return { id, run_id: runId, seconds, holds, budget: budgetOf(wanted) };
  });
  const most = rule.hard ? now.most : 'Infinity';
  const values = [quotaId, scopeId, now.start, total, known.digest, now.until.toISOString(), most];
  const [alone, ...more] = wants;
  const schema = schemaOf(tenantId);
  if (!alone || more.length > 0)
    return {
      text: heldText(schema, several),
      values: [...values, JSON.stringify(wants.map(({ id }) => id)), JSON.stringify(wants)],
    };
  const { id, run_id, seconds, holds, budget } = alone;
  return {
    text: heldText(schema, one),
    values: [...values, id, run_id, seconds, JSON.stringify(holds), JSON.stringify(budget)],
  };
}

/** What every meter of every act falls under, where there is no other. */
function onlyCounter(asked: readonly Asked[], { rules }: Known): Applied | undefined {
  let only: Applied | undefined;
  for (const { holding, wanted } of asked)
    for (const { meter } of wanted) {
      const [limit, ...more] = limitsOn(rules, meter, holding);
      if (!limit || more.length > 0) return undefined;
      if (only && (only.rule !== limit.rule || only.scopeId !== limit.scopeId)) return undefined;
      only = limit;
    }
  return only;
}
