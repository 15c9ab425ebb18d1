import { condition, continueAsNew } from '@temporalio/workflow';

/** Hands itself on once, as runs, retention and webhooks do, and then waits to be looked at. */
export async function work(handedOn: boolean): Promise<void> {
  if (!handedOn) await continueAsNew<typeof work>(true);
  await condition(() => false);
}
