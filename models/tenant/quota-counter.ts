import {
  type Book,
  type Budget,
  type Counter,
  counterKey,
  type Hold,
  type Reservation,
  type ReservationState,
} from '../../policies/quota-book.ts';
import type { Slices } from '../../policies/quota-window.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import { ruleColumns, ruleOf, rulesDigest } from './quota.ts';
import { windowStart } from './quota-window.ts';

/**
 * Counters and reservations, locked and read into a book (policies/quota-book.ts), and written back. Always in this
 * order: reservations by their ids, counters by their keys. The database says which window a moment is in, and which
 * moment it is.
 */

/** So many are given back by one look, so that whoever looks is done in the ledger's time; the next gives back more. */
const expiredMax = 5_000;

export type Named = { ids: readonly string[]; expired: boolean };

/** With everything they take from, for what is over here is less there. */
export async function lockReservations(sql: Sql, { ids, expired }: Named): Promise<Map<string, Reservation>> {
  if (ids.length === 0 && !expired) return new Map();
  const rows = await sql(
    `WITH RECURSIVE named AS (
       SELECT id, parent_id FROM quota_reservations WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb))
       UNION (SELECT id, parent_id FROM quota_reservations
         WHERE $2::boolean AND state = 'held' AND expires_at <= clock_timestamp() ORDER BY expires_at LIMIT ${expiredMax})
       UNION SELECT r.id, r.parent_id FROM quota_reservations r JOIN named n ON r.id = n.parent_id)
     SELECT r.id, r.parent_id, r.run_id, r.state, r.holds, r.budget, r.expires_at FROM quota_reservations r
     WHERE r.id IN (SELECT id FROM named) ORDER BY r.id FOR UPDATE`,
    [JSON.stringify(ids), expired],
  );
  return new Map(rows.map((row) => [String(row.id), reservationOf(row)]));
}

function reservationOf(row: Row): Reservation {
  return {
    id: String(row.id),
    parentId: row.parent_id === null ? null : String(row.parent_id),
    runId: row.run_id === null ? null : String(row.run_id),
    // Written by `saveBook` alone.
    state: row.state as ReservationState,
    holds: row.holds as Hold[],
    budget: (row.budget ?? {}) as Budget,
    expiresAt: row.expires_at as Date,
  };
}

/** A counter by the begin of its window, or by a moment in it; without either, the window of now. */
export type Wished = { quotaId: string; scopeId: string; start?: number; at?: Date };

const wishes = `jsonb_to_recordset($1::jsonb) AS k(n integer, quota_id text, scope_id text, start numeric, at timestamptz)
  JOIN quotas q ON q.id = k.quota_id`;
const startOfWish = `coalesce(to_timestamp(k.start), ${windowStart('coalesce(k.at, now())')})`;

/**
 * Locks the counters that are wished for, makes those that are not there yet, and answers them by the place of the wish;
 * none where the limit is there no more.
 */
export async function lockCounters(
  sql: Sql,
  wished: readonly Wished[],
): Promise<{ counters: Map<string, Counter>; of: (Counter | undefined)[] }> {
  if (wished.length === 0) return { counters: new Map(), of: [] };
  const asked = wished.map(({ quotaId, scopeId, start, at }, n) => ({
    ...{ n, quota_id: quotaId, scope_id: scopeId, start, at },
  }));
  const values = [JSON.stringify(asked)];
  await sql(
    `INSERT INTO quota_counters (quota_id, scope_id, window_start, slices, rules)
     SELECT DISTINCT q.id, k.scope_id, ${startOfWish}, CASE WHEN q.time_window = 'rolling' THEN '{}'::jsonb END,
       ${rulesDigest()}
     FROM ${wishes} WHERE NOT EXISTS (SELECT FROM quota_counters c
       WHERE c.quota_id = q.id AND c.scope_id = k.scope_id AND c.window_start = ${startOfWish})
     ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
    values,
  );
  const rows = await sql(
    `SELECT k.n, c.scope_id AS counted_of, extract(epoch FROM c.window_start)::float8 AS start, c.used, c.reserved, c.slices,
       ${ruleColumns}
     FROM ${wishes} JOIN quota_counters c
       ON c.quota_id = q.id AND c.scope_id = k.scope_id AND c.window_start = ${startOfWish}
     ORDER BY c.quota_id, c.scope_id, c.window_start FOR UPDATE OF c`,
    values,
  );
  const counters = new Map<string, Counter>();
  const of = new Array<Counter | undefined>(wished.length);
  for (const row of rows) {
    const read = counterOf(row);
    const key = counterKey({ quotaId: read.rule.id, scopeId: read.scopeId, windowStart: read.windowStart });
    const counter = counters.get(key) ?? read;
    counters.set(key, counter);
    of[Number(row.n)] = counter;
  }
  return { counters, of };
}

export function counterOf(row: Row): Counter {
  return {
    rule: ruleOf(row),
    scopeId: String(row.counted_of),
    windowStart: Number(row.start),
    used: Number(row.used),
    reserved: Number(row.reserved),
    slices: row.slices as Slices | null,
  };
}

/** Writes what was changed in the book, and nothing else. */
export async function saveBook(sql: Sql, book: Book): Promise<void> {
  const counters = [...book.counters.values()].filter(({ changed }) => changed);
  if (counters.length > 0) await saveCounters(sql, counters);
  const reservations = [...book.reservations.values()].filter(({ changed }) => changed);
  if (reservations.length > 0) await saveReservations(sql, reservations);
}

async function saveCounters(sql: Sql, counters: readonly Counter[]): Promise<void> {
  const rows = counters.map(({ rule, scopeId, windowStart: start, used, reserved, slices }) => ({
    ...{ quota_id: rule.id, scope_id: scopeId, start, used, reserved, slices },
  }));
  await sql(
    `UPDATE quota_counters c SET used = n.used, reserved = n.reserved, slices = n.slices, updated_at = now()
     FROM jsonb_to_recordset($1::jsonb)
       AS n(quota_id text, scope_id text, start numeric, used numeric, reserved numeric, slices jsonb)
     WHERE c.quota_id = n.quota_id AND c.scope_id = n.scope_id AND c.window_start = to_timestamp(n.start)`,
    [JSON.stringify(rows)],
  );
}

async function saveReservations(sql: Sql, reservations: readonly Reservation[]): Promise<void> {
  const rows = reservations.map(({ id, parentId, runId, state, holds, budget, expiresAt }) => ({
    ...{ id, parent_id: parentId, run_id: runId, state, holds, budget, expires_at: expiresAt },
  }));
  await sql(
    `INSERT INTO quota_reservations AS r (id, parent_id, run_id, state, holds, budget, expires_at)
     SELECT id, parent_id, run_id, state, holds, budget, expires_at FROM jsonb_to_recordset($1::jsonb)
       AS n(id text, parent_id text, run_id text, state text, holds jsonb, budget jsonb, expires_at timestamptz)
     ORDER BY parent_id IS NOT NULL, id
     ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, run_id = excluded.run_id, state = excluded.state,
       holds = excluded.holds, budget = excluded.budget, expires_at = excluded.expires_at,
       ended_at = CASE WHEN excluded.state = 'held' THEN NULL ELSE coalesce(r.ended_at, now()) END`,
    [JSON.stringify(rows)],
  );
}
