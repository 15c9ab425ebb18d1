import {
  addUse,
  type Book,
  type Counter,
  changeReserved,
  exact,
  meters,
  type Reservation,
  type ReservationState,
} from './quota-book.ts';
import { parentOf, poolOf } from './quota-nesting.ts';
import { concerns, type Limited } from './quotas.ts';

/** How what was reserved ends: what was used of it is counted, the rest given back (policies/quota-book.ts). */
export type Use = { meter: Limited; amount: number; at: Date };

/**
 * Counts what was used of a reservation, against the windows it was reserved in, also when it is long over. Returns the
 * counters this was counted in.
 */
export function useReserved(book: Book, id: string, { meter, amount, at }: Use): Counter[] {
  const reservation = book.reservations.get(id);
  if (!reservation) return [];
  return shrink(book, reservation, { meter, at, spent: amount, freed: 0 });
}

/** Gives back what was not used; what children hold stays held until they are over. */
export function end(book: Book, id: string, state: ReservationState): void {
  const reservation = book.reservations.get(id);
  if (reservation?.state !== 'held') return;
  for (const meter of meters(reservation.budget)) {
    const { left, held } = reservation.budget[meter] ?? { left: 0, held: 0 };
    shrink(book, reservation, { meter, at: book.now, spent: 0, freed: Math.max(0, exact(left - held)) });
  }
  reservation.state = state;
  reservation.changed = true;
}

/** Gives back at once what will not be used, of what is still held for those who used the rest. */
export function keepUsed(book: Book, id: string, used: ReadonlyMap<Limited, number>): void {
  const reservation = book.reservations.get(id);
  if (reservation?.state !== 'held') return;
  for (const meter of meters(reservation.budget)) {
    const { left, held } = reservation.budget[meter] ?? { left: 0, held: 0 };
    const freed = Math.max(0, exact(left - held - (used.get(meter) ?? 0)));
    shrink(book, reservation, { meter, at: book.now, spent: 0, freed });
  }
}

type Shrinking = { meter: Limited; at: Date; spent: number; freed: number };

/**
 * A reservation becomes less by what was spent and what is given back, and what it holds itself of limits with it. What was
 * spent is gone from its parent too; what
 * is given back its parent may give to others, unless it is over itself and hands it on. What was spent beyond what was
 * held is taken from the parent's rest, and where there is none, counted all the same.
 */
function shrink(book: Book, from: Reservation, { meter, at, spent, freed }: Shrinking): Counter[] {
  const pool = poolOf(from.budget, meter);
  const budget = pool && from.budget[pool];
  if (!budget) return [];
  // A child that spent more than it held has spent of what others hold: no more is given back than there is.
  const given = Math.min(freed, Math.max(0, exact(budget.left - spent)));
  const gone = exact(Math.min(budget.left, spent) + given);
  budget.left = exact(budget.left - gone);
  from.changed = true;
  const own = from.holds
    .filter((hold) => hold.meter === pool)
    .flatMap((hold) => {
      hold.amount = exact(hold.amount - gone);
      const counter = changeReserved(book, hold, -gone);
      if (!counter || !concerns(counter.rule, meter)) return [];
      if (spent !== 0) addUse(book, counter, spent, at);
      return [counter];
    });
  const parent = parentOf(book, from);
  const ofPool = parent && poolOf(parent.budget, meter);
  const ofParent = ofPool && parent.budget[ofPool];
  if (!ofParent) return own;
  ofParent.held = exact(ofParent.held - gone);
  parent.changed = true;
  return [...own, ...shrink(book, parent, { meter, at, spent, freed: parent.state === 'held' ? 0 : given })];
}
