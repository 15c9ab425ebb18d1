import { continueAsNew, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { actAs } from './acting.ts';
import type { MeterInput } from './registry.ts';

const { meterTenants } = proxyActivities<Activities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '10 seconds',
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '1 minute',
    maximumAttempts: 10,
  },
});

// A history stays small; 100 pages are two thousand tenants.
const pagesMax = 100;

/**
 * Goes through a region's tenants and does what the meter does there each minute or, asked for the hour, each hour
 * (activities/meter-usage.ts); goes on where it was.
 */
export async function meterUsage({ region, after = '', hourly = false }: MeterInput): Promise<void> {
  const next = await actAs({ principal: { kind: 'system', id: 'system:meter' } }, async () => {
    let from: string | undefined = after;
    for (let page = 0; page < pagesMax && from !== undefined; page++)
      ({ next: from } = await meterTenants({ region, after: from, hourly }));
    return from;
  });
  if (next !== undefined) await continueAsNew<typeof meterUsage>({ region, after: next, hourly });
}
