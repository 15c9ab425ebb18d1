import { type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { heavyQueue, outsideQueue } from './registry.ts';

/**
 * How patient each kind of activity is. Every wait for a cancelled activity lasts until it has ended: an effect
 * that lands after its undo would stay for ever.
 */
const attempt: ActivityOptions = {
  startToCloseTimeout: '30 seconds',
  // The activity interceptor beats every second, so a killed worker is noticed this soon.
  heartbeatTimeout: '10 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
};

/** A step forward rides out an outage of up to an hour, then gives up and undoes. */
const step: ActivityOptions = {
  ...attempt,
  scheduleToCloseTimeout: '1 hour',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
};
export const forward = proxyActivities<Activities>(step);
/** Making or dropping a schema is dozens of statements, and waits behind other catalogue work. */
export const forwardSlowly = proxyActivities<Activities>({ ...step, startToCloseTimeout: '2 minutes' });
export const outside = (region: string): typeof forward =>
  proxyActivities<Activities>({ ...step, taskQueue: outsideQueue(region) });

/**
 * What has no way back: it is retried until it succeeds or is refused. Giving up after a time would leave open
 * whether the effect took place, and undoing a tenant that did become active would destroy it.
 */
const always: ActivityOptions = {
  ...attempt,
  startToCloseTimeout: '2 minutes',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
};
export const forGood = proxyActivities<Activities>(always);
/** The same where it is heavy. Where an activity is done is no part of a history, so older ones go on as they are. */
export const heavilyForGood = (region: string): typeof forGood =>
  proxyActivities<Activities>({ ...always, taskQueue: heavyQueue(region) });

/** Undoing is tried for about seven minutes, then an operator is asked (see undo.ts). */
export const backward = proxyActivities<Activities>({
  ...attempt,
  startToCloseTimeout: '2 minutes',
  retry: {
    initialInterval: '200 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '30 seconds',
    maximumAttempts: 20,
  },
});

/** The mirror tries again by itself with newer news. */
export const aside = proxyActivities<Activities>({
  ...attempt,
  startToCloseTimeout: '10 seconds',
  retry: { maximumAttempts: 1 },
});
