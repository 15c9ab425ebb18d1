import { continueAsNew, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { actAs } from './acting.ts';
import { heavyQueue, type RetentionInput } from './registry.ts';

const retaining = (region: string) =>
  proxyActivities<Activities>({
    taskQueue: heavyQueue(region),
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: '10 seconds',
    // By time, for an attempt that finds no permit is one as well.
    scheduleToCloseTimeout: '30 minutes',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
  });

// A history stays small; 100 pages are a thousand tenants.
const pagesMax = 100;

/** Goes through a region's tenants and deletes in each what it need not keep any more; goes on where it was. */
export async function applyRetention({ region, after = '' }: RetentionInput): Promise<void> {
  const next = await actAs({ principal: { kind: 'system', id: 'system:retention' } }, async () => {
    let from: string | undefined = after;
    for (let page = 0; page < pagesMax && from !== undefined; page++)
      ({ next: from } = await retaining(region).retainTenants({ region, after: from }));
    return from;
  });
  if (next !== undefined) await continueAsNew<typeof applyRetention>({ region, after: next });
}
