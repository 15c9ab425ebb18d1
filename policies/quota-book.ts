import { heldAbove, parentOf, poolOf } from './quota-nesting.ts';
import { type Slices, sliceOf, slicesWithin } from './quota-window.ts';
import { effectiveAmount, type Limited, type QuotaRule } from './quotas.ts';

/**
 * The ledger of limits, as arithmetic: counters and reservations that somebody has locked and read
 * (models/tenant/quota-counter.ts), changed here, and written back there. What must stay true: what is reserved of a
 * counter is the sum of what reservations hold of it; of a hard limit, used and reserved together never come to be more
 * than its amount by anything that is reserved; and a child takes from its parent, whose own hold does not grow by it,
 * and of limits only where its parent holds nothing of them.
 */
export type Counter = {
  rule: QuotaRule;
  scopeId: string;
  /** Seconds since 1970; 0 where there is one window only. */
  windowStart: number;
  used: number;
  reserved: number;
  slices: Slices | null;
  changed?: true;
};

export type Hold = {
  quotaId: string;
  scopeId: string;
  windowStart: number;
  meter: Limited;
  amount: number;
};
/** By meter: what is left of what was granted, and how much of that children hold. `tokens` are read or written, as it comes. */
export type Budget = { [Meter in Limited]?: { left: number; held: number } };
export type ReservationState = 'held' | 'settled' | 'expired';
export type Reservation = {
  id: string;
  parentId: string | null;
  runId: string | null;
  state: ReservationState;
  holds: Hold[];
  budget: Budget;
  expiresAt: Date;
  changed?: true;
};

export type Book = { now: Date; counters: Map<string, Counter>; reservations: Map<string, Reservation> };

export const counterKey = (of: { quotaId: string; scopeId: string; windowStart: number }): string =>
  JSON.stringify([of.quotaId, of.scopeId, of.windowStart]);

const keyOf = ({ rule, scopeId, windowStart }: Counter) =>
  counterKey({ quotaId: rule.id, scopeId, windowStart });

// Amounts may be fractions, whose binary sums differ in the sixteenth digit; what is stored has nine after the point.
// Whole ones stay as they are: multiplied by as much, those of more than seven digits would lose or gain a part.
export const exact = (amount: number): number =>
  (Number.isInteger(amount) ? amount : Math.round(amount * 1e9) / 1e9) || 0;

/** Of a rolling window what has not fallen out of it. */
export function usedAt({ rule, used, slices }: Counter, now: Date): number {
  if (!slices) return used;
  return exact(Object.values(slicesWithin(rule, slices, now)).reduce((sum, each) => sum + each, 0));
}

/** How much more can be reserved; without end of a limit that only warns. */
export function freeOf(counter: Counter, now: Date): number {
  if (!counter.rule.hard) return Number.POSITIVE_INFINITY;
  const taken = Math.max(0, usedAt(counter, now)) + counter.reserved;
  return exact(effectiveAmount(counter.rule, now) - taken);
}

export function addUse(book: Book, counter: Counter, amount: number, at: Date): void {
  counter.changed = true;
  if (!counter.slices) {
    counter.used = exact(counter.used + amount);
    return;
  }
  const slice = sliceOf(counter.rule, at);
  const slices = { ...counter.slices, [slice]: exact((counter.slices[slice] ?? 0) + amount) };
  counter.slices = slicesWithin(counter.rule, slices, book.now);
  counter.used = usedAt(counter, book.now);
}

export type Wanted = { meter: Limited; amount: number; least?: number | undefined };
export type Want = {
  id: string;
  parentId: string | null;
  runId: string | null;
  expiresAt: Date;
  /** Also where nothing limits it, for others will take from it. */
  kept: boolean;
  wanted: readonly Wanted[];
  /** The counters that limit each meter now. */
  limits: ReadonlyMap<Limited, readonly Counter[]>;
};

export type Amounts = Map<Limited, number>;
export type Taken =
  | { amounts: Amounts }
  | { counter: Counter; meter: Limited; wanted: number; free: number }
  | { parent: Reservation; meter: Limited; wanted: number; free: number }
  | { over: Reservation };

/** Holds what is wanted, all of it or nothing; less of a meter only where less will do. */
export function take(book: Book, want: Want): Taken {
  const known = book.reservations.get(want.id);
  if (known && isOpen(known, book.now)) return renew(known, want);
  const parent = want.parentId === null ? undefined : book.reservations.get(want.parentId);
  if (known && !mayBegin(book, known, parent)) return { over: known };
  const { id, parentId, runId, expiresAt } = want;
  const made: Reservation = { id, parentId, runId, expiresAt, state: 'held', holds: [], budget: {} };
  const amounts: Amounts = new Map();
  const taking = new Map<string, number>();
  for (const { meter, amount, least: needed = amount } of want.wanted) {
    const least = Math.min(needed, amount);
    const pool = parent && poolOf(parent.budget, meter);
    const budget = pool && parent.budget[pool];
    const counters = (want.limits.get(meter) ?? []).filter(
      (counter) => !heldAbove(book, parent, meter, counter),
    );
    const tightest = counters
      .map((counter) => ({ counter, free: freeOf(counter, book.now) - (taking.get(keyOf(counter)) ?? 0) }))
      .sort((a, b) => a.free - b.free)[0];
    const ofParent =
      budget && isOpen(parent, book.now) ? exact(budget.left - budget.held - (taking.get(pool) ?? 0)) : 0;
    const ofLimits = tightest?.free ?? Number.POSITIVE_INFINITY;
    const free = Math.max(0, budget ? Math.min(ofParent, ofLimits) : ofLimits);
    const granted = Math.min(amount, free);
    if (granted < least) {
      if (budget && ofParent <= ofLimits) return { parent, meter, wanted: least, free };
      if (tightest) return { counter: tightest.counter, meter, wanted: least, free };
    }
    amounts.set(meter, granted);
    if (pool) taking.set(pool, (taking.get(pool) ?? 0) + granted);
    made.budget[meter] = { left: granted, held: 0 };
    for (const counter of counters) {
      taking.set(keyOf(counter), (taking.get(keyOf(counter)) ?? 0) + granted);
      const { rule, scopeId, windowStart } = counter;
      made.holds.push({ quotaId: rule.id, scopeId, windowStart, meter, amount: granted });
    }
  }
  enter(book, made, parent, want.kept);
  return { amounts };
}

/** Again under an id that is over: not while children of it hold something, and not as a child of its own. */
function mayBegin(book: Book, known: Reservation, parent: Reservation | undefined): boolean {
  if (meters(known.budget).some((meter) => (known.budget[meter]?.left ?? 0) > 0)) return false;
  for (let at = parent; at; at = parentOf(book, at)) if (at === known) return false;
  return true;
}

/** One that limits nothing and takes from nobody is not kept, unless others are to take from it. */
function enter(book: Book, made: Reservation, parent: Reservation | undefined, kept: boolean): void {
  const child = parent !== undefined && meters(made.budget).some((meter) => poolOf(parent.budget, meter));
  if (made.holds.length === 0 && !child && !kept) return;
  if (!child) made.parentId = null;
  for (const hold of made.holds) changeReserved(book, hold, hold.amount);
  for (const meter of meters(made.budget)) {
    const pool = child ? poolOf(parent.budget, meter) : undefined;
    const budget = pool && parent?.budget[pool];
    if (!budget) continue;
    budget.held = exact(budget.held + (made.budget[meter]?.left ?? 0));
    parent.changed = true;
  }
  made.changed = true;
  book.reservations.set(made.id, made);
}

const isOpen = ({ state, expiresAt }: Reservation, now: Date) => state === 'held' && expiresAt > now;

function renew(known: Reservation, { expiresAt }: Want): Taken {
  known.changed = true;
  if (expiresAt > known.expiresAt) known.expiresAt = expiresAt;
  return { amounts: new Map(meters(known.budget).map((meter) => [meter, known.budget[meter]?.left ?? 0])) };
}

// Object.keys forgets the key type; budgets are written here, of meters alone.
export const meters = (budget: Budget) => Object.keys(budget) as Limited[];

export function changeReserved(book: Book, hold: Hold, by: number): Counter | undefined {
  const counter = book.counters.get(counterKey(hold));
  if (!counter) return undefined; // Its limit was taken away, and with it what was held of it.
  counter.reserved = exact(counter.reserved + by);
  counter.changed = true;
  return counter;
}
