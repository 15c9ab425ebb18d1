import { queueWebhook } from '../../models/tenant/webhook.ts';
import type { WebhookEvent } from '../../policies/integration.ts';
import type { Held } from './frame.ts';

/** Tells receivers of webhooks, in the transaction of what it tells of: ids and words, for it leaves the platform. */
export async function tell(
  { sql, run, told }: Held,
  type: Extract<WebhookEvent, `run.${string}`>,
  data: Record<string, string | number | null>,
): Promise<void> {
  const { id: runId, agent_id: agentId, workflow_id: workflowId, round } = run;
  const queued = await queueWebhook(sql, type, { runId, agentId, workflowId, round, ...data });
  if (queued.length > 0) told.webhooks = true;
}
