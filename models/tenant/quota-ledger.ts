import type { Amounts, Wanted } from '../../policies/quota-book.ts';
import { refusalOf } from '../../policies/quota-refusal.ts';
import { end, keepUsed } from '../../policies/quota-settling.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Row } from '../batch.ts';
import { inTenant, type Place, placeWithin, type Sql } from '../scope.ts';
import { lockRules } from './quota.ts';
import { fitsAtOnce, reserveStatements } from './quota-at-once.ts';
import { lockCounters, lockReservations, saveBook } from './quota-counter.ts';
import { doubt, freshlyRemembered, type Known, remember, rulesNow } from './quota-memory.ts';
import { reserveOfOne } from './quota-of-one.ts';
import {
  type Answered,
  type Asked,
  everything,
  type Holding,
  holdsUpward,
  reserveAll,
} from './quota-reserving.ts';
import { reserveTogether } from './quota-together.ts';
import { hurried, hurriedWithin, insistOnOpen } from './quota-unreachable.ts';

/**
 * What an act may use at most is reserved before it, and settled by what it says it used (quota-charge.ts): no two acts
 * are given the same unit of a limit, whatever dies in between. Whoever reserves under an id that is held takes that
 * over, so an act that is repeated holds once.
 */
export type { Holding, Wanted };
export type Reserved = { id: string; amounts: Amounts };

/** In a transaction of its own; leaves together with whatever else of the tenant is reserved at this moment. */
export async function reserve(place: Place, holding: Holding, wanted: readonly Wanted[]): Promise<Reserved> {
  const asked = { holding, wanted };
  try {
    return granted(asked, await reserveTogether(place, asked));
  } catch (cause) {
    if (!(cause instanceof Refusal && cause.code === 'unavailable')) throw cause;
    await insistOnOpen(place, asked, cause);
    return uncounted(asked);
  }
}

/** In the act's own: it is held if the act commits. Locks come last, so call it after what else the act locks. */
export async function reserveIn(sql: Sql, holding: Holding, wanted: readonly Wanted[]): Promise<Reserved> {
  const asked = { holding, wanted };
  const place = placeWithin(sql);
  if (!place) throw new Error('bug: limits are of tenants, and this is no transaction of one');
  const answers = await hurriedWithin(sql, place, asked, () => decided(sql, place, asked));
  return answers?.[0] ? granted(asked, answers[0]) : uncounted(asked);
}

/**
 * Several for one act, all of them or none. For what has to be held for certain: while the ledger does not answer the act
 * is refused, also where limits are open.
 */
export async function insistIn(sql: Sql, asked: readonly Asked[]): Promise<void> {
  const answers = await hurried(sql, () => reserveAll(sql, asked));
  for (const [at, answer] of answers.entries()) if (asked[at]) granted(asked[at], answer);
}

/** Most often it fits, which takes a few statements less; what does not is looked at closely, with nothing locked yet. */
async function decided(sql: Sql, place: Place, asked: Asked): Promise<Answered[]> {
  if (!fitsAtOnce([asked])) return reserveAll(sql, [asked]);
  const now = await lockRules(sql, 'to apply');
  if ((await fitsOne(sql, place, asked)) || (await fitsAll(sql, place, asked)))
    return [{ taken: { amounts: everything(asked) }, now }];
  // Made by `hurriedWithin`; counters may not be locked before reservations are.
  await sql('ROLLBACK TO SAVEPOINT ledger');
  return hurried(sql, () => reserveAll(sql, [asked]));
}

async function fitsOne(sql: Sql, place: Place, asked: Asked): Promise<boolean> {
  const known = freshlyRemembered(place) ?? (await lookedAt(sql, place));
  const ofOne = reserveOfOne(place.tenantId, [asked], known);
  if (!ofOne) return false;
  const held = (await sql(ofOne.text, ofOne.values)).length > 0;
  if (!held) doubt(place);
  return held;
}

async function lookedAt(sql: Sql, place: Place): Promise<Known> {
  const { text, values } = rulesNow(place);
  return remember(place, await sql(text, values));
}

async function fitsAll(sql: Sql, { tenantId }: Place, asked: Asked): Promise<boolean> {
  let verdict: Row | undefined;
  for (const { text, values } of reserveStatements(tenantId, [asked])) [verdict] = await sql(text, values);
  return verdict?.fits === true;
}

/** Goes on without the ledger; what it used is counted when the meter takes it. */
const uncounted = (asked: Asked): Reserved => ({ id: asked.holding.id, amounts: everything(asked) });

function granted({ holding }: Asked, { taken, now }: Answered): Reserved {
  if (!('amounts' in taken)) throw refusalOf(taken, now);
  return { id: holding.id, amounts: taken.amounts };
}

/** Gives back what was not used. Nothing happens where nothing is held under this id any more. */
export async function release(place: Place, id: string): Promise<void> {
  await inTenant(place, ({ sql }) => releaseIn(sql, [id]));
}

/** What was used of it is known, and noted; until that is counted no more than that stays held. */
export async function keepIn(sql: Sql, id: string, used: Amounts): Promise<void> {
  const now = await lockRules(sql, 'to apply');
  const reservations = await lockReservations(sql, { ids: [id], expired: false });
  const reservation = reservations.get(id);
  if (!reservation) return;
  const { counters } = await lockCounters(sql, holdsUpward(reservations, reservation));
  const book = { now, counters, reservations };
  keepUsed(book, id, used);
  await saveBook(sql, book);
}

export async function releaseIn(sql: Sql, ids: readonly string[]): Promise<void> {
  await endAll(sql, { ids, expired: false });
}

/** Gives back what was reserved by those who have died since; how many they were. */
export async function expireReservations(sql: Sql): Promise<number> {
  return endAll(sql, { ids: [], expired: true });
}

async function endAll(sql: Sql, named: { ids: readonly string[]; expired: boolean }): Promise<number> {
  const now = await lockRules(sql, 'to apply');
  const reservations = await lockReservations(sql, named);
  const ending = [...reservations.values()].filter(
    ({ id, state, expiresAt }) =>
      state === 'held' && (named.ids.includes(id) || (named.expired && expiresAt <= now)),
  );
  const { counters } = await lockCounters(
    sql,
    ending.flatMap((each) => holdsUpward(reservations, each)),
  );
  const book = { now, counters, reservations };
  for (const { id } of ending) end(book, id, named.expired ? 'expired' : 'settled');
  await saveBook(sql, book);
  return ending.length;
}
