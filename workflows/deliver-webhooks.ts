import { condition, continueAsNew, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { actAs } from './acting.ts';
import { type DeliveriesInput, outsideQueue, wakeSignal } from './registry.ts';

/** A round is repeated until it is done: what it sends twice, the receiver knows by its id. */
const delivering = (region: string) =>
  proxyActivities<Activities>({
    taskQueue: outsideQueue(region),
    startToCloseTimeout: '2 minutes',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
  });

const roundsMax = 200;

/** One at a time for each tenant: sends what is due, sleeps until the next is, and ends when none is left. */
export async function deliverWebhooks(input: DeliveriesInput): Promise<void> {
  const { of, region } = input;
  let woken = false;
  setHandler(defineSignal(wakeSignal), () => {
    woken = true;
  });
  await actAs({ principal: { kind: 'system', id: 'system:integrations' } }, async () => {
    for (let round = 0; round < roundsMax; round++) {
      woken = false;
      const { dueInMs } = await delivering(region).deliverDue({ of });
      if (dueInMs === null && !woken) return;
      if (dueInMs !== null) await condition(() => woken, Math.max(dueInMs, 1));
    }
    await continueAsNew<typeof deliverWebhooks>(input);
  });
}
