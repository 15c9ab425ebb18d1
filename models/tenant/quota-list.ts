import type { Counter } from '../../policies/quota-book.ts';
import { usedAt } from '../../policies/quota-book.ts';
import type { Slices } from '../../policies/quota-window.ts';
import type { QuotaRule } from '../../policies/quotas.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { ruleColumns, ruleOf } from './quota.ts';
import { windowStart } from './quota-window.ts';
import { seatsTaken } from './seats.ts';

/** Limits with what is gone of them in their windows of now: for whoever looks at them. */
type Share = { scopeId: string; used: number; reserved: number };
export type Listed = { rule: QuotaRule; now: Date; windowStart: Date; shares: Share[] };

// Of one that is for each of many: those that are furthest.
const sharesMax = 20;

/** Agents and seats are counted where they are, under locks of their own; they have no counter that could be behind. */
export function quotaList(tenantId: string, id?: string): Statement {
  const schema = schemaOf(tenantId);
  const counted = (meter: string, count: string) =>
    `WHEN q.scope = 'tenant' AND q.meter = '${meter}' THEN (${count})`;
  return {
    text: `SELECT ${ruleColumns}, now() AS at, ${windowStart('now()')} AS starts,
        CASE ${counted('agents', `SELECT count(*) FROM ${schema}.agents`)} ${counted('seats', seatsTaken(`${schema}.`))} END AS taken,
        (SELECT jsonb_agg(f) FROM (
          SELECT c.scope_id AS "scopeId", c.used, c.reserved, c.slices FROM ${schema}.quota_counters c
          WHERE c.quota_id = q.id AND c.window_start = ${windowStart('now()')}
          ORDER BY c.used + c.reserved DESC, c.scope_id LIMIT ${sharesMax}) AS f) AS shares
      FROM ${schema}.quotas q WHERE $1::text IS NULL OR q.id = $1 ORDER BY q.id`,
    values: [id ?? null],
  };
}

type Stored = Share & { slices: Slices | null };

export function listedOf(row: Row): Listed {
  const rule = ruleOf(row);
  // Of the database's clock, both.
  const [now, start] = [row.at as Date, row.starts as Date];
  const stored = (row.shares ?? []) as Stored[]; // from the statement above
  const shares = stored.map(({ scopeId, used, reserved, slices }) => {
    const counter: Counter = { rule, scopeId, windowStart: 0, used, reserved, slices };
    return { scopeId, used: Math.max(0, usedAt(counter, now)), reserved };
  });
  const taken = row.taken === null ? undefined : [{ scopeId: '', used: Number(row.taken), reserved: 0 }];
  return { rule, now, windowStart: start, shares: taken ?? shares };
}
