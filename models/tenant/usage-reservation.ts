import type { Budget } from '../../policies/quota-book.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';

/** What other systems hold of limits before they use it, in the ledger of all acts (quota-ledger.ts). */

/** They choose its id, which is kept apart from those of Freehold's own acts. */
const prefix = 'reported/';
export const reportersId = (chosen: string): string => prefix + chosen;
export const chosenId = ({ id }: Row): string => String(id).slice(prefix.length);

export const usageReservation = (tenantId: string, chosen: string): Statement => ({
  text: `SELECT id, state, budget, expires_at FROM ${schemaOf(tenantId)}.quota_reservations WHERE id = $1`,
  values: [reportersId(chosen)],
});

/** What is held just now, longest first. */
export const heldReservations = (tenantId: string, most: number): Statement => ({
  text: `SELECT id, state, budget, expires_at FROM ${schemaOf(tenantId)}.quota_reservations
    WHERE state = 'held' AND starts_with(id, $1) AND expires_at > clock_timestamp() ORDER BY expires_at DESC, id LIMIT $2`,
  values: [prefix, most],
});

/** By meter what is still held of it; nothing is once it is over. */
export const heldAmounts = ({ budget }: Row) =>
  // Written by the ledger alone.
  Object.entries((budget ?? {}) as Budget).map(([meter, { left, held }]) => ({ meter, amount: left + held }));
