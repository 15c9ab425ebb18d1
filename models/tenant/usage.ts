import type { Dimensions, MeterName } from '../../policies/meters.ts';
import type { Sql } from '../scope.ts';

/**
 * What acts of the product used. Written with the act, in its transaction, and taken into the meter moments later
 * (models/tenant/usage-fold.ts): an act that is rolled back used nothing, and one that is repeated, under the same id,
 * used it once. Call `foldSoon` when the transaction is committed; what is never folded then, the meter's schedule folds.
 */
export type UsageNote = Dimensions & {
  /** Of the act: the same when the act is repeated. */
  id: string;
  meter: MeterName;
  /** 1 for what is counted; a change for what is time-weighted. */
  value: number;
  /** Now, if it is not said. */
  at?: Date;
  /** Of unique meters: who or what is counted once. */
  member?: string | undefined;
  runId?: string | undefined;
  /** Tags of the agent, which limits may be for. */
  tags?: readonly string[] | undefined;
  /** What had been reserved for it; settled when this is taken, and with it everything else that names it. */
  reservationId?: string | undefined;
};

/** The source of the product's own acts; nobody else may report under it. */
export const ownSource = 'freehold';

/** One reading on its way into the meter: of an act of the product, or reported by another system. */
export type Reading = Omit<UsageNote, 'at'> & {
  /** With the id what makes it one of a kind. */
  source: string;
  at: Date;
};

export async function noteUsage(sql: Sql, notes: readonly UsageNote[]): Promise<void> {
  if (notes.length === 0) return;
  await sql(
    `INSERT INTO usage_outbox (event) SELECT jsonb_build_object('at', now()) || value FROM jsonb_array_elements($1::jsonb)`,
    [JSON.stringify(notes)],
  );
}
