import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { actAs } from './acting.ts';
import { outsideQueue, type WatchInput } from './registry.ts';

const watching = (region: string) =>
  proxyActivities<Activities>({
    taskQueue: outsideQueue(region),
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: '10 seconds',
    retry: { maximumAttempts: 3 },
  });

/** Every tenant's integrations are looked after where the tenant lives; a region that is away keeps no other from it. */
export async function watchIntegrations({ regions }: WatchInput): Promise<void> {
  await actAs({ principal: { kind: 'system', id: 'system:integrations' } }, async () => {
    const ended = await Promise.allSettled(regions.map(watchRegion));
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  });
}

async function watchRegion(region: string): Promise<void> {
  let after: string | null = '';
  while (after !== null) ({ after } = await watching(region).watchPage({ region, after }));
}
