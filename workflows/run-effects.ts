import { type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { NeutralLine } from './run-registry.ts';

/**
 * How patient the activities of a run are. What a tool or a model gets wrong comes back as an outcome and is tried
 * again as often as the step says; what is thrown is the world's (a lost worker, a database away) and is retried for
 * as long as the run may last.
 */
const common = {
  heartbeatTimeout: '10 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '100 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
} satisfies ActivityOptions;

/** Time over the step's own, for the two transactions around what it asks for outside. */
const marginMs = 30_000;

export const effect = (summary: NeutralLine, timeoutSeconds = 0) =>
  proxyActivities<Activities>({
    ...common,
    summary,
    startToCloseTimeout: timeoutSeconds * 1_000 + marginMs,
  });
