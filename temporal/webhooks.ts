import {
  controlQueue,
  type DeliveriesInput,
  deliveriesId,
  registry,
  wakeSignal,
} from '../workflows/registry.ts';
import { reach } from './client.ts';
import { tenantPriority } from './priority.ts';

/** After the commit of an act that queued webhooks: they are on their way at once, instead of by the next watch. */
export async function wakeWebhooks({
  tenantId,
  region,
}: {
  tenantId: string;
  region: string;
}): Promise<void> {
  const { workflowType, title, priorityKey } = registry['deliver-webhooks'];
  const input: DeliveriesInput = { of: tenantId, region };
  await reach((client) =>
    client.workflow.signalWithStart(workflowType, {
      workflowId: deliveriesId(tenantId),
      taskQueue: controlQueue(region),
      args: [input],
      signal: wakeSignal,
      priority: tenantPriority(priorityKey, tenantId),
      staticSummary: title,
    }),
  );
}
