import type { Budget, Wanted } from '../../policies/quota-book.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';

/** What other systems hold of limits before they use it, in the ledger of all acts (quota-ledger.ts). */

/** They choose its id, which is kept apart from those of Freehold's own acts. */
const prefix = 'reported/';
export const ledgerId = (chosen: string): string => prefix + chosen;
export const chosenId = ({ id }: Row): string => String(id).slice(prefix.length);

// A lease that is over is over, whether or not somebody has come by since to give it back.
const columns = `id, budget, expires_at,
  CASE WHEN state = 'held' AND expires_at <= clock_timestamp() THEN 'expired' ELSE state END AS state`;

export const usageReservation = (tenantId: string, chosen: string): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.quota_reservations WHERE id = $1`,
  values: [ledgerId(chosen)],
});

/** By meter what is still held of it. */
export const heldAmounts = ({ budget }: Row) =>
  // Written by the ledger alone.
  Object.entries((budget ?? {}) as Budget).map(([meter, { left, held }]) => ({ meter, amount: left + held }));

/** Whether who asks again asks for what is held: as much, or as little as would do. */
export function isFor(row: Row, wanted: readonly Wanted[]): boolean {
  const held = new Map(heldAmounts(row).map(({ meter, amount }) => [meter, amount]));
  const within = ({ meter, amount, least = amount }: Wanted) => {
    const has = held.get(meter) ?? -1;
    return has >= Math.min(least, amount) && has <= amount;
  };
  return held.size === wanted.length && wanted.every(within);
}
