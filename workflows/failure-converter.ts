import { DefaultFailureConverter } from '@temporalio/common';

/** Of runs: messages and stack traces are payloads too, so that the codec encrypts them. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
