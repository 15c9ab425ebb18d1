import type { Context, Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { noteUsed } from '../models/usage-journal.ts';
import { activities, activitySeconds, log, logAbout } from '../telemetry.ts';
import { admit, type Guard, type Step, stepOf } from './admission.ts';
import { asFailure } from './failure.ts';

/** How soon a lost worker is noticed depends on this and on `heartbeatTimeout` in workflows/effects.ts. */
const beatMs = 1_000;

/** What surrounds every activity: admission, heartbeat, time taken, and failures that Temporal may keep. */
export function guarded(guard: Guard): ActivityInterceptorsFactory {
  return (context) => ({
    inbound: {
      async execute(input, next) {
        const { info } = context;
        const [given] = input.args;
        const step = stepOf(given);
        return logAbout(step, () =>
          observed(context, step, async () => {
            const { principal, requestId } = await admit(guard, info, input.headers, step);
            // From here on every line of the log says by which request it came to be.
            step.requestId = requestId;
            const result = await counted(info, step, () =>
              next({ ...input, args: [given, principal, requestId] }),
            );
            // The attempt goes back with the result, for the ledger (see workflows/interceptors.ts).
            return { attempt: info.attempt, result };
          }),
        );
      },
    },
  });
}

async function observed<T>(context: Context, step: Step, act: () => Promise<T>): Promise<T> {
  const { info } = context;
  const beat = setInterval(() => context.heartbeat(), beatMs);
  const started = performance.now();
  try {
    const answer = await act();
    tell(info, step, 'done', started);
    return answer;
  } catch (error) {
    const failure = asFailure(error, info, step);
    const refused = failure instanceof ApplicationFailure && failure.nonRetryable;
    tell(info, step, refused ? 'refused' : 'failed', started);
    throw failure;
  } finally {
    clearInterval(beat);
  }
}

/** The time of what was let in, whatever became of it, to the tenant it was for. */
async function counted<T>(
  { activityType: kind }: Info,
  { tenantId }: Step,
  act: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  try {
    return await act();
  } finally {
    const value = (performance.now() - started) / 1000;
    if (tenantId) noteUsed(tenantId, [{ meter: 'compute.worker-seconds', value, kind }]);
  }
}

/** One line for each attempt, as there is one for each request. */
function tell(
  info: Info,
  { tenantId = '' }: Step,
  outcome: 'done' | 'refused' | 'failed',
  since: number,
): void {
  const { activityType: activity, attempt } = info;
  const seconds = (performance.now() - since) / 1000;
  activitySeconds.observe({ activity, outcome }, seconds);
  activities.inc({ tenant: tenantId, outcome });
  const workflowId = info.workflowExecution?.workflowId;
  log.info({ activity, attempt, workflowId, outcome, ms: Math.round(seconds * 10_000) / 10 }, 'activity');
}
