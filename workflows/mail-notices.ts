import { defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { actAs } from './acting.ts';
import { outsideQueue, type TellingInput, wakeSignal } from './registry.ts';

const mailing = (region: string) =>
  proxyActivities<Activities>({
    taskQueue: outsideQueue(region),
    startToCloseTimeout: '5 minutes',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '5 minutes' },
  });

/** One at a time for each tenant, so that nothing is mailed twice: sends what is there, and ends when none is left. */
export async function mailNotices({ of, region }: TellingInput): Promise<void> {
  let woken = false;
  setHandler(defineSignal(wakeSignal), () => {
    woken = true;
  });
  await actAs({ principal: { kind: 'system', id: 'system:meter' } }, async () => {
    for (let left = true; left || woken; ) {
      woken = false;
      left = (await mailing(region).mailNotices({ of })).sent > 0;
    }
  });
}
