import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';

/** Ends an attempt whose turn it is not: no failure, and the next one after so long. */
export const comeAgain = (type: string, message: string, afterMs: number): ApplicationFailure =>
  ApplicationFailure.create({
    ...{ type, message },
    category: ApplicationFailureCategory.BENIGN,
    nextRetryDelay: afterMs,
  });
