import { proxyActivities } from '@temporalio/workflow';
import type { BareActivities, BareInput } from './bare-worker.ts';

const { makeSchema, doNothing } = proxyActivities<BareActivities>({ startToCloseTimeout: '30 seconds' });

/** As many activities as provisioning has steps, one after the other; the first runs the DDL, the others do nothing. */
export async function bare({ place, steps }: BareInput): Promise<void> {
  await makeSchema(place);
  for (let step = 1; step < steps; step++) await doNothing();
}

/** As many activities as a run has, one after the other, which do nothing. */
export async function bareSteps(steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) await doNothing();
}
