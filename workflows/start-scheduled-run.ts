import { sleep, workflowInfo } from '@temporalio/workflow';
import { actAs, systemActor } from './acting.ts';
import { effect } from './run-effects.ts';
import type { FiringInput } from './run-registry.ts';

/** Some four hours: quick at first, then once a minute. Whoever is not through by then is skipped. */
const asksMax = 250;
const secondsUntil = (asked: number): number => (asked < 12 ? 5 : 60);

/**
 * What a schedule starts when it is due: the run, by the same way as any, in the name of the schedule's owner. What
 * became of it is kept under this workflow's id, so that it is done once however often it is tried. One that is to
 * wait for the run before asks until that has ended.
 */
export async function startScheduledRun(input: FiringInput): Promise<void> {
  const fire = workflowInfo().workflowId;
  await actAs({ principal: systemActor('system:run-schedule') }, async () => {
    for (let asked = 0; asked < asksMax; asked++) {
      const last = asked === asksMax - 1;
      const outcome = await effect('Start the run').fireRunSchedule({ ...input, fire, last });
      if (outcome !== 'busy') return;
      await sleep(`${secondsUntil(asked)} seconds`);
    }
  });
}
