import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';
import { unheld } from './legal-hold.ts';

/**
 * Each message of a sender is taken once, by the id it carries, for as long as the ids are kept. What was refused may
 * be sent again: the same row then says how it ended. The message itself is not kept; what it became is in the run.
 */
// Senders repeat for about a day; a message is older than five minutes is refused by its age anyhow.
const keptHours = 72;
const removedAtOnceMax = 100;

export const deliveryOutcomes = ['started', 'refused'] as const;

export type Claimed = { id: string; runId: string | null; outcome: string; first: boolean };

/** Holds this message until the transaction ends: whoever brings it at the same time waits and then finds it taken. */
export async function claimDelivery(sql: Sql, triggerId: string, messageId: string): Promise<Claimed> {
  await sql(
    `DELETE FROM trigger_deliveries WHERE (trigger_id, message_id) IN (SELECT trigger_id, message_id
       FROM trigger_deliveries WHERE received_at < now() - make_interval(hours => $1) AND ${unheld('runs', [])} LIMIT $2)`,
    [keptHours, removedAtOnceMax],
  );
  const id = newId('dlv');
  const [row] = await sql<{ id: string; run_id: string | null; outcome: string }>(
    `INSERT INTO trigger_deliveries (id, trigger_id, message_id, outcome) VALUES ($1, $2, $3, 'refused')
     ON CONFLICT (trigger_id, message_id) DO UPDATE SET attempts = trigger_deliveries.attempts + 1
     RETURNING id, run_id, outcome`,
    [id, triggerId, messageId],
  );
  if (!row) throw new Error('bug: a delivery was neither made nor found');
  return { id: row.id, runId: row.run_id, outcome: row.outcome, first: row.id === id };
}

export type Settled = { id: string; runId?: string | undefined; refusalCode?: string | undefined };

export async function settleDelivery(sql: Sql, { id, runId, refusalCode }: Settled): Promise<void> {
  await sql('UPDATE trigger_deliveries SET outcome = $2, run_id = $3, refusal_code = $4 WHERE id = $1', [
    id,
    runId ? 'started' : 'refused',
    runId ?? null,
    refusalCode ?? null,
  ]);
}

export function deliveryList(
  tenantId: string,
  triggerId: string,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  return {
    text: `SELECT id, message_id, run_id, outcome, refusal_code, attempts, received_at
           FROM ${schemaOf(tenantId)}.trigger_deliveries
           WHERE trigger_id = $1 AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    values: [triggerId, cursor ?? null, limit],
  };
}
