import type { Budget } from '../../policies/quota-book.ts';
import { type QuotaScope, scopesOf } from '../../policies/quotas.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { amountNow, limitedBy, rulesDigest } from './quota.ts';
import type { Asked } from './quota-reserving.ts';
import { windowStart } from './quota-window.ts';

/**
 * The usual case in one round trip: everything that is asked for fits. The first statement locks, in order, the counters
 * it touches; the second, whose snapshot is younger than those locks, looks whether all of it fits, and only then raises
 * the counters and writes what is held. If anything does not fit, is there already or takes from a parent, nothing was
 * done, and quota-reserving.ts decides one by one.
 */
export const fitsAtOnce = (asked: readonly Asked[]): boolean =>
  asked.every(({ holding }) => holding.parentId === undefined && !holding.kept) &&
  new Set(asked.map(({ holding }) => holding.id)).size === asked.length;

type Line = {
  w: number;
  meter: string;
  limited: string;
  scope: QuotaScope;
  scope_id: string;
  amount: number;
};

const linesOf = (asked: readonly Asked[]): Line[] =>
  asked.flatMap(({ holding, wanted }, w) =>
    wanted.flatMap(({ meter, amount }) =>
      limitedBy(meter).flatMap((limited) =>
        scopesOf(holding).map(([scope, scope_id]) => ({ w, meter, limited, scope, scope_id, amount })),
      ),
    ),
  );

// Shaped so that every row is looked up by its key, also in a plan that was made while the tables were empty: hence
// OFFSET 0 here, and a subquery for each id below, for a join might read the whole of an index.
const dueText = (schema: string, columns: string) => `(SELECT ${columns}, q.id AS quota_id, a.scope_id,
    ${windowStart('now()')} AS starts, q.time_window, q.window_minutes, q.hard,
    ${amountNow} AS most
  FROM jsonb_to_recordset($1::jsonb)
    AS a(w integer, meter text, limited text, scope text, scope_id text, amount numeric)
  JOIN ${schema}.quotas q ON q.meter = a.limited AND q.scope = a.scope AND q.scope_id IN ('', a.scope_id) OFFSET 0) AS d`;
const counterOf = (schema: string) => `JOIN ${schema}.quota_counters c
  ON c.quota_id = d.quota_id AND c.scope_id = d.scope_id AND c.window_start = d.starts`;

const lockText = (schema: string) => `SELECT 1 FROM ${dueText(schema, 'a.w')} ${counterOf(schema)}
  ORDER BY c.quota_id, c.scope_id, c.window_start FOR UPDATE OF c`;

const takenOf = (
  slicesOf: string,
) => `c.reserved + CASE WHEN ${slicesOf}.time_window <> 'rolling' THEN greatest(0, c.used)
  ELSE (SELECT coalesce(sum(slice.value::numeric), 0) FROM jsonb_each_text(c.slices) AS slice
    WHERE slice.key::numeric + ${slicesOf}.window_minutes > extract(epoch FROM now()) - 60 * ${slicesOf}.window_minutes) END`;

// Says what policies/quota-book.ts says one by one; the model-based test asks both.
const decideText = (schema: string) => `WITH due AS MATERIALIZED (
    SELECT d.w, d.meter, d.amount, d.quota_id, d.scope_id, d.starts, d.hard, d.most, c.quota_id IS NOT NULL AS there,
      ${takenOf('d')} AS taken
    FROM ${dueText(schema, 'a.w, a.meter, a.amount')} LEFT ${counterOf(schema)}),
  sums AS (
    SELECT quota_id, scope_id, starts, sum(amount) AS amount,
      bool_and(there) AND (NOT bool_and(hard) OR max(taken) + sum(amount) <= max(most)) AS fits
    FROM due GROUP BY 1, 2, 3),
  wants AS (SELECT * FROM jsonb_to_recordset($2::jsonb)
    AS n(w integer, id text, run_id text, seconds numeric, budget jsonb)),
  verdict AS (
    SELECT (SELECT coalesce(bool_and(fits), true) FROM sums)
      AND (SELECT bool_and((SELECT r.id FROM ${schema}.quota_reservations r WHERE r.id = n.id) IS NULL) FROM wants n)
      AS fits),
  raised AS (
    UPDATE ${schema}.quota_counters c SET reserved = c.reserved + s.amount, rules = ${rulesDigest(`${schema}.`)},
      updated_at = now() FROM sums s, verdict v
    WHERE v.fits AND c.quota_id = s.quota_id AND c.scope_id = s.scope_id AND c.window_start = s.starts),
  held AS (
    INSERT INTO ${schema}.quota_reservations (id, run_id, holds, budget, expires_at)
    SELECT n.id, n.run_id, d.holds, n.budget, clock_timestamp() + n.seconds * interval '1 second'
    FROM verdict v, wants n JOIN (SELECT w, jsonb_agg(jsonb_build_object('quotaId', quota_id, 'scopeId', scope_id,
        'windowStart', extract(epoch FROM starts), 'meter', meter, 'amount', amount)) AS holds
      FROM due GROUP BY w) d ON d.w = n.w
    WHERE v.fits ORDER BY n.id)
  SELECT fits, clock_timestamp() AS now FROM verdict`;

/** The last one says whether it fits, and when that was. */
export function reserveStatements(tenantId: string, asked: readonly Asked[]): Statement[] {
  const schema = schemaOf(tenantId);
  const lines = JSON.stringify(linesOf(asked));
  const wants = asked.map(({ holding: { id, runId = null, seconds }, wanted }, w) => {
    return { w, id, run_id: runId, seconds, budget: budgetOf(wanted) };
  });
  return [
    { text: lockText(schema), values: [lines] },
    { text: decideText(schema), values: [lines, JSON.stringify(wants)] },
  ];
}

export const budgetOf = (wanted: Asked['wanted']): Budget =>
  Object.fromEntries(wanted.map(({ meter, amount }) => [meter, { left: amount, held: 0 }]));
