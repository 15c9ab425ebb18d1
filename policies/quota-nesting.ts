import type { Book, Budget, Counter, Reservation } from './quota-book.ts';
import { type Limited, metersOf } from './quotas.ts';

/** Of what in a budget a child takes this; budgets stand in budgets, and hold limits for what they hold (policies/quota-book.ts). */
export function poolOf(budget: Budget, meter: Limited): Limited | undefined {
  if (budget[meter]) return meter;
  return budget.tokens && metersOf('tokens').some((each) => each === meter) ? 'tokens' : undefined;
}

/** Whether what a parent holds of a limit is what a child uses of it. */
export function heldAbove(
  book: Pick<Book, 'reservations'>,
  parent: Reservation | undefined,
  meter: Limited,
  { rule, scopeId }: Pick<Counter, 'rule' | 'scopeId'>,
): boolean {
  const pool = parent && poolOf(parent.budget, meter);
  if (!pool) return false;
  const holds = parent.holds.some(
    (hold) => hold.meter === pool && hold.quotaId === rule.id && hold.scopeId === scopeId,
  );
  return holds || heldAbove(book, parentOf(book, parent), pool, { rule, scopeId });
}

export const parentOf = ({ reservations }: Pick<Book, 'reservations'>, { parentId }: Reservation) =>
  parentId === null ? undefined : reservations.get(parentId);
