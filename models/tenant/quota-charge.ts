import { addUse, type Book, type Counter, usedAt } from '../../policies/quota-book.ts';
import { end, useReserved } from '../../policies/quota-settling.ts';
import { windowOf } from '../../policies/quota-window.ts';
import { effectiveAmount, limitsOn, type QuotaRule } from '../../policies/quotas.ts';
import type { Sql } from '../scope.ts';
import { lockRules, rulesOn } from './quota.ts';
import { lockCounters, lockReservations, saveBook, type Wished } from './quota-counter.ts';
import { levelsNow } from './quota-level.ts';
import { holdsUpward } from './quota-reserving.ts';
import type { Reading } from './usage.ts';

/**
 * Counts what was used against every limit it falls under, when it is taken into the meter. What had been reserved for
 * it is settled: its use counts in the windows it was reserved in, the rest is given back. What was reserved under an id
 * that nobody knows any more, or not at all, counts in the windows of its own time.
 */
export type Charged = {
  quotaId: string;
  scopeId: string;
  windowStart: Date;
  amount: number;
  before: number;
  after: number;
};

type Entry = Wished & { reading: Reading };

export const reservationsOf = (readings: readonly Reading[]): Set<string> =>
  new Set(readings.flatMap(({ reservationId }) => reservationId ?? []));

/**
 * In the transaction that takes the readings, when they are rolled up and gone from the outbox. `kept`: reservations that
 * stay held beyond what these use of them.
 */
export async function charge(
  sql: Sql,
  readings: readonly Reading[],
  kept: ReadonlySet<string> = new Set(),
): Promise<Charged[]> {
  const ids = [...reservationsOf(readings)];
  const now = await lockRules(sql, 'to apply');
  const rules = await rulesOn(
    sql,
    readings.map(({ meter }) => meter),
  );
  if (rules.length === 0 && ids.length === 0) return [];
  const reservations = await lockReservations(sql, { ids, expired: false });
  const uses = merged(readings);
  const counted = uses.flatMap((reading) =>
    limitsOn(rules, reading.meter, reading)
      .filter(({ rule }) => counts(rule, reading.at))
      .map(({ rule, scopeId }): Entry => ({ quotaId: rule.id, scopeId, at: reading.at, reading })),
  );
  const levels = await levelsNow(sql, rules, readings);
  const wished: Wished[] = [
    ...counted,
    ...levels,
    ...[...reservations.values()].flatMap((each) => holdsUpward(reservations, each)),
  ];
  const { counters, of } = await lockCounters(sql, wished);
  const book: Book = { now, counters, reservations };
  const before = new Map([...counters].map(([key, counter]) => [key, usedAt(counter, now)]));
  const asReserved = useAllReserved(book, uses);
  countRest(book, counted, of, asReserved);
  for (const [at, { used }] of levels.entries()) setLevel(of[counted.length + at], used);
  const awaited = await stillToCome(sql, ids);
  for (const id of ids) if (!awaited.has(id) && !kept.has(id)) end(book, id, 'settled');
  await saveBook(sql, book);
  return [...counters].flatMap(([key, counter]) => chargedOf(counter, before.get(key) ?? 0, now));
}

/** Levels are measured, not summed; and a limit says nothing of windows that were over when it was made. */
function counts(rule: QuotaRule, at: Date): boolean {
  const { end: ends } = windowOf(rule, at);
  return rule.window !== 'level' && (ends === null || ends > rule.createdAt);
}

/** Readings of the same use within a minute, as one: no window is shorter, and none begins within one. */
function merged(readings: readonly Reading[]): Reading[] {
  const byUse = new Map<string, Reading>();
  for (const reading of readings) {
    const minute = Math.floor(reading.at.getTime() / 60_000);
    const { meter, agentId, keyId, runId, tags, reservationId } = reading;
    const key = JSON.stringify([meter, agentId, keyId, runId, tags, reservationId, minute]);
    const known = byUse.get(key);
    byUse.set(key, known ? { ...known, value: known.value + reading.value } : { ...reading });
  }
  return [...byUse.values()];
}

/** Which limits each use has been counted against, as what had been reserved for it. */
function useAllReserved(book: Book, uses: readonly Reading[]): Map<Reading, Set<string>> {
  return new Map(
    uses.flatMap((reading) => {
      const { reservationId, meter, value: amount, at } = reading;
      if (reservationId === undefined) return [];
      const counters = useReserved(book, reservationId, { meter, amount, at });
      return [[reading, new Set(counters.map(({ rule, scopeId }) => scopeKey(rule.id, scopeId)))] as const];
    }),
  );
}

function countRest(
  book: Book,
  entries: readonly Entry[],
  of: readonly (Counter | undefined)[],
  asReserved: ReadonlyMap<Reading, ReadonlySet<string>>,
): void {
  for (const [at, { reading, quotaId, scopeId }] of entries.entries()) {
    const counter = of[at];
    if (!counter || asReserved.get(reading)?.has(scopeKey(quotaId, scopeId))) continue;
    addUse(book, counter, reading.value, reading.at);
  }
}

const scopeKey = (quotaId: string, scopeId: string) => JSON.stringify([quotaId, scopeId]);

function setLevel(counter: Counter | undefined, used: number): void {
  if (!counter || counter.used === used) return;
  counter.used = used;
  counter.changed = true;
}

/**
 * Reservations of which more is still waiting to be taken: their rest is given back with the last of it, so that no
 * moment lies between in which it would seem free. What one act notes lies close together in the outbox.
 */
async function stillToCome(sql: Sql, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await sql<{ id: string }>(
    `SELECT DISTINCT event ->> 'reservationId' AS id
     FROM (SELECT event FROM usage_outbox ORDER BY seq LIMIT 2000) AS next
     WHERE event ->> 'reservationId' IN (SELECT jsonb_array_elements_text($1::jsonb))`,
    [JSON.stringify(ids)],
  );
  return new Set(rows.map(({ id }) => id));
}

function chargedOf(
  { rule, scopeId, windowStart, ...counter }: Counter,
  before: number,
  now: Date,
): Charged[] {
  const after = usedAt({ rule, scopeId, windowStart, ...counter }, now);
  if (after === before) return [];
  const amount = effectiveAmount(rule, now);
  return [{ quotaId: rule.id, scopeId, windowStart: new Date(windowStart * 1_000), amount, before, after }];
}
