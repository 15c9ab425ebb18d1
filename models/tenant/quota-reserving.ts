import type { Dimensions } from '../../policies/meters.ts';
import {
  type Amounts,
  type Book,
  type Reservation,
  type Taken,
  take,
  type Wanted,
} from '../../policies/quota-book.ts';
import { heldAbove } from '../../policies/quota-nesting.ts';
import { end } from '../../policies/quota-settling.ts';
import { type Limited, limitsOn, type QuotaRule } from '../../policies/quotas.ts';
import type { Sql } from '../scope.ts';
import { lockRules, rulesOn } from './quota.ts';
import { lockCounters, lockReservations, saveBook, type Wished } from './quota-counter.ts';

/**
 * Reserves for any number of acts in one transaction, in their order: locks, reads, decides by policies/quota-book.ts,
 * writes. What is refused is an answer, so that one that does not fit undoes no other. On the way everything is given
 * back whose lease is over, for its holder has ended.
 */
export type Holding = Dimensions & {
  id: string;
  /** How long it is held if nobody says what became of it; whoever holds it has ended the act by then. */
  seconds: number;
  /** Of whose budget it takes; of limits only where that holds nothing of them. */
  parentId?: string | undefined;
  /** A budget: it is there for others to take from also where nothing limits it. */
  kept?: true;
  runId?: string | undefined;
  tags?: readonly string[] | undefined;
};
export type Asked = { holding: Holding; wanted: readonly Wanted[] };
export type Answered = { taken: Taken; now: Date };

export async function reserveAll(sql: Sql, asked: readonly Asked[]): Promise<Answered[]> {
  const now = await lockRules(sql, 'to apply');
  const rules = await rulesOn(
    sql,
    asked.flatMap(({ wanted }) => wanted.map(({ meter }) => meter)),
  );
  const touching = asked.filter(
    (each) => each.holding.parentId !== undefined || each.holding.kept || isLimited(rules, each),
  );
  const taken = touching.length > 0 ? await takeAll(sql, touching, rules, now) : new Map<Asked, Taken>();
  return asked.map((each) => ({ taken: taken.get(each) ?? { amounts: everything(each) }, now }));
}

export const everything = ({ wanted }: Pick<Asked, 'wanted'>): Amounts =>
  new Map(wanted.map(({ meter, amount }) => [meter, amount]));

const isLimited = (rules: readonly QuotaRule[], { holding, wanted }: Asked): boolean =>
  wanted.some(({ meter }) => limitsOn(rules, meter, holding).length > 0);

async function takeAll(
  sql: Sql,
  asked: readonly Asked[],
  rules: readonly QuotaRule[],
  now: Date,
): Promise<Map<Asked, Taken>> {
  const ids = asked.map(({ holding }) => holding.id);
  const placed = await placeReservations(sql, ids);
  const parents = asked.flatMap(({ holding }) => holding.parentId ?? []);
  const reservations = await lockReservations(sql, { ids: [...ids, ...parents], expired: true });
  const over = [...reservations.values()].filter((each) => each.state === 'held' && each.expiresAt <= now);
  const wished: (Wished & { by?: Asked; meter?: Limited })[] = [
    ...over.flatMap((each) => holdsUpward(reservations, each)),
    ...asked.flatMap((by) =>
      by.wanted.flatMap(({ meter }) =>
        limitsOn(rules, meter, by.holding)
          // What a budget holds of a limit is not asked of that again, and nobody waits there for it.
          .filter(
            (limit) =>
              !heldAbove({ reservations }, reservations.get(by.holding.parentId ?? ''), meter, limit),
          )
          .map(({ rule, scopeId }) => ({ quotaId: rule.id, scopeId, by, meter })),
      ),
    ),
  ];
  const { counters, of } = await lockCounters(sql, wished);
  const book: Book = { now, counters, reservations };
  for (const { id } of over) end(book, id, 'expired');
  const taken = new Map(
    asked.map((by) => {
      const limits = new Map(
        by.wanted.map(({ meter }) => [
          meter,
          of.flatMap((counter, at) =>
            counter && wished[at]?.by === by && wished[at]?.meter === meter ? counter : [],
          ),
        ]),
      );
      const { id, parentId = null, runId = null, seconds, kept = false } = by.holding;
      const expiresAt = new Date(now.getTime() + seconds * 1_000);
      return [by, take(book, { id, parentId, runId, expiresAt, kept, wanted: by.wanted, limits })] as const;
    }),
  );
  await saveBook(sql, book);
  await unplaceReservations(
    sql,
    placed.filter((id) => book.reservations.get(id)?.state !== 'held'),
  );
  return taken;
}

/** The counters that change when it ends: its own, and those of whatever it takes from. */
export function holdsUpward(reservations: ReadonlyMap<string, Reservation>, from: Reservation): Wished[] {
  const holds = from.holds.map(({ quotaId, scopeId, windowStart }) => ({
    quotaId,
    scopeId,
    start: windowStart,
  }));
  const parent = from.parentId === null ? undefined : reservations.get(from.parentId);
  return parent ? [...holds, ...holdsUpward(reservations, parent)] : holds;
}

/** So that there is something to lock, and two that reserve under one id at the same moment take turns. */
async function placeReservations(sql: Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    `INSERT INTO quota_reservations (id, state, holds, expires_at, ended_at)
     SELECT DISTINCT value, 'expired', '[]'::jsonb, now(), now() FROM jsonb_array_elements_text($1::jsonb) ORDER BY 1
     ON CONFLICT DO NOTHING RETURNING id`,
    [JSON.stringify(ids)],
  );
  return rows.map(({ id }) => id);
}

async function unplaceReservations(sql: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql('DELETE FROM quota_reservations WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb))', [
    JSON.stringify(ids),
  ]);
}
