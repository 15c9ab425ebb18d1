import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { activitySeconds } from '../telemetry.ts';
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
        return observed(context, step, async () => {
          const principal = await admit(guard, info, input.headers, step);
          const result = await next({ ...input, args: [given, principal] });
          // The attempt goes back with the result, for the ledger (see workflows/interceptors.ts).
          return { attempt: info.attempt, result };
        });
      },
    },
  });
}

async function observed<T>(context: Context, step: Step, act: () => Promise<T>): Promise<T> {
  const { info } = context;
  const beat = setInterval(() => context.heartbeat(), beatMs);
  const took = activitySeconds.startTimer({ activity: info.activityType });
  try {
    const answer = await act();
    took({ outcome: 'done' });
    return answer;
  } catch (error) {
    const failure = asFailure(error, info, step);
    took({ outcome: failure instanceof ApplicationFailure && failure.nonRetryable ? 'refused' : 'failed' });
    throw failure;
  } finally {
    clearInterval(beat);
  }
}
