import type { WebhookEvent } from '../../policies/integration.ts';
import { webhookDelaySeconds } from '../../policies/webhook.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

/**
 * The outbox of webhooks. `queueWebhook` is called in the transaction of the act it tells of; call `wakeWebhooks`
 * (temporal/webhooks.ts) once that is committed. What is never woken is found by the watch within minutes. The data are ids
 * and words, never content: they leave the platform.
 */
export async function queueWebhook(
  sql: Sql,
  type: WebhookEvent,
  data: Record<string, string | number | null>,
): Promise<string[]> {
  const payload = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
  const listening = await sql<{ id: string }>(
    "SELECT id FROM integrations WHERE kind = 'webhook' AND state <> 'unverified' AND target->'events' ? $1",
    [type],
  );
  const ids: string[] = [];
  for (const { id } of listening) {
    const deliveryId = newId('dlv');
    await sql('INSERT INTO webhook_deliveries (id, integration_id, type, payload) VALUES ($1, $2, $3, $4)', [
      deliveryId,
      id,
      type,
      payload,
    ]);
    ids.push(deliveryId);
  }
  return ids;
}

const columns = 'id, integration_id, type, state, attempts, replays, outcome, due_at, created_at, ended_at';

export function deliveryById(tenantId: string, integrationId: string, id: string): Statement {
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.webhook_deliveries WHERE id = $1 AND integration_id = $2`,
    values: [id, integrationId],
  };
}

export type DeliveryFilter = { state?: string | undefined; cursor?: string | undefined };

/** Beside the integration itself, so that one without deliveries is told from one that is not there. */
export function deliveryList(
  tenantId: string,
  integrationId: string,
  filter: DeliveryFilter,
  limit: number,
): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT i.id, d.id AS delivery_id, type, d.state, attempts, replays, outcome, due_at, d.created_at, ended_at
           FROM ${schema}.integrations i LEFT JOIN ${schema}.webhook_deliveries d
             ON d.integration_id = i.id AND ($2::text IS NULL OR d.state = $2) AND ($3::text IS NULL OR d.id < $3)
           WHERE i.id = $1 ORDER BY d.id DESC LIMIT $4`,
    values: [integrationId, filter.state ?? null, filter.cursor ?? null, limit],
  };
}

/** Under its old id, by which a receiver that has had it already knows it again. */
export async function replayDelivery(sql: Sql, id: string): Promise<void> {
  await sql(
    `UPDATE webhook_deliveries SET state = 'pending', attempts = 0, replays = replays + 1, due_at = now(), ended_at = NULL
     WHERE id = $1`,
    [id],
  );
}

export type Due = { id: string; integration_id: string; payload: string; attempts: number };

/** What is to be sent now, the oldest of each integration first. */
export async function dueDeliveries(sql: Sql, limit: number): Promise<Due[]> {
  return sql<Due>(
    `SELECT id, integration_id, payload, attempts FROM webhook_deliveries WHERE state = 'pending' AND due_at <= now()
     ORDER BY due_at, id LIMIT $1`,
    [limit],
  );
}

/** When the next is to be sent; null when none waits. */
export async function nextDue(sql: Sql): Promise<Date | null> {
  const [row] = await sql<{ due: Date | null }>(
    "SELECT min(due_at) AS due FROM webhook_deliveries WHERE state = 'pending'",
  );
  return row?.due ?? null;
}

export type Attempted = {
  id: string;
  attempts: number;
  outcome: string;
  delivered: boolean;
  final?: boolean;
};

/** One attempt counts once, though it be noted twice: `attempts` is what it was before. */
export async function noteAttempt(
  sql: Sql,
  { id, attempts, outcome, delivered, final }: Attempted,
): Promise<void> {
  const delay = final ? undefined : webhookDelaySeconds[attempts];
  const state = delivered ? 'delivered' : delay === undefined ? 'dead' : 'pending';
  await sql(
    `UPDATE webhook_deliveries SET attempts = attempts + 1, outcome = $3, state = $4,
       due_at = CASE WHEN $4 = 'pending' THEN now() + make_interval(secs => $5) END,
       ended_at = CASE WHEN $4 <> 'pending' THEN now() END
     WHERE id = $1 AND attempts = $2 AND state = 'pending'`,
    [id, attempts, outcome, state, delay ?? 0],
  );
}

/** Not tried, for the breaker is open: it counts as no attempt. */
export async function postpone(sql: Sql, id: string, seconds: number): Promise<void> {
  await sql(
    "UPDATE webhook_deliveries SET due_at = now() + make_interval(secs => $2) WHERE id = $1 AND state = 'pending'",
    [id, seconds],
  );
}
