import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { actAs } from './acting.ts';

const { restartOperations, purgeExpired } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '10 seconds',
  retry: { maximumAttempts: 3 },
});

/** Starts operations whose start was lost between the commit and Temporal, and forgets what has expired. */
export async function sweepTenants(): Promise<void> {
  await actAs({ principal: { kind: 'system', id: 'system:sweep' } }, async () => {
    // Neither may keep the other from its work.
    const ended = await Promise.allSettled([restartOperations(), purgeExpired()]);
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  });
}
