import { ModelFailure } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';
import { TimeSpent } from '../../policies/time-limit.ts';
import { log } from '../../telemetry.ts';
import { EgressFailure } from '../egress/failure.ts';
import { BreakerOpen } from '../integration/breaker.ts';

/**
 * What readers of a run are told of what was thrown: sentences written for them. The words of a database, a connection
 * or a library may hold names and values of anybody's, so they are not shown.
 */
const ours = [Refusal, ModelFailure, EgressFailure, BreakerOpen, TimeSpent];

export function sayable(error: unknown): string {
  if (error instanceof Error && error.message !== '' && ours.some((kind) => error instanceof kind))
    return error.message;
  log.error(withoutWords(error), 'a step of a run failed for a reason of ours');
  return 'Something went wrong on our side; it is in our log, by this time.';
}

/** What is needed to find the place, and nothing that was being worked on: messages repeat values. */
function withoutWords(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { thrown: typeof error };
  const { code } = error as { code?: unknown }; // of Node and of Postgres
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return { thrown: error.name, ...(typeof code === 'string' && { code }), at: frames?.slice(0, 8) };
}
