import { placeOf } from '../models/system/tenant.ts';
import { log } from '../telemetry.ts';
import { controlQueue, noticesId, registry, type TellingInput, wakeSignal } from '../workflows/registry.ts';
import { reach } from './client.ts';
import { tenantPriority } from './priority.ts';
import { wakeWebhooks } from './webhooks.ts';

type Told = { tenantId: string; region: string };

/**
 * After the commit of an act that told people something: mails and webhooks are on their way at once. Never in the way of
 * what was done; the meter's schedule finds what was left.
 */
export async function wakeTold(tenantId: string): Promise<void> {
  try {
    const place = await placeOf(tenantId);
    if (place) await Promise.all([wakeNotices(place), wakeWebhooks(place)]);
  } catch (error) {
    log.warn({ tenantId, error: String(error) }, 'what was told is left to the schedule to send');
  }
}

async function wakeNotices({ tenantId, region }: Told): Promise<void> {
  const { workflowType, title, priorityKey } = registry['mail-notices'];
  const input: TellingInput = { of: tenantId, region };
  await reach((client) =>
    client.workflow.signalWithStart(workflowType, {
      workflowId: noticesId(tenantId),
      taskQueue: controlQueue(region),
      args: [input],
      signal: wakeSignal,
      priority: tenantPriority(priorityKey, tenantId),
      staticSummary: title,
    }),
  );
}
