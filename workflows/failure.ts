import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  type TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { strayType } from './registry.ts';

/**
 * What went wrong, for people. Messages of activities are already free of tenant data: the activity interceptor
 * (temporal/interceptors.ts) lets through only what was written for this purpose.
 */
export function inWords(failure: TemporalFailure): string {
  const cause = failure instanceof ActivityFailure ? failure.cause : failure;
  if (isCancelled(failure)) return 'Cancelled.';
  if (cause instanceof TimeoutFailure) return 'There was no answer in time.';
  return cause?.message ?? failure.message;
}

/** An attempt that fails after cancellation was asked for comes back as failed, only because it is not tried again. */
export function isCancelled(failure: TemporalFailure): boolean {
  const givenUp = failure instanceof ActivityFailure && failure.retryState === 'CANCEL_REQUESTED';
  return givenUp || isCancellation(failure);
}

/** The step that failed, when the failure came out of one. */
export function failedStep(failure: TemporalFailure): string | undefined {
  return failure instanceof ActivityFailure ? failure.activityType : undefined;
}

/** The attempt that failed, as the activity interceptor wrote it down; unknown when no worker answered. */
export function failedAttempt(failure: TemporalFailure): number | undefined {
  const cause = failure instanceof ActivityFailure ? failure.cause : undefined;
  const [told] = (cause instanceof ApplicationFailure && cause.details) || [];
  return told && typeof told === 'object' && 'attempt' in told ? Number(told.attempt) : undefined;
}

/** See `strayType`. */
export function isStray(failure: TemporalFailure): boolean {
  const cause = failure instanceof ActivityFailure ? failure.cause : failure;
  return cause instanceof ApplicationFailure && cause.type === strayType;
}
