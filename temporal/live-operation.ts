import type { WorkflowExecutionDescription } from '@temporalio/client';
import { type OperationState, percentOf, type StepRecord } from '../policies/operation.ts';
import { operationStateKey } from '../workflows/search-attributes.ts';

export type LiveOperation = {
  state: Extract<OperationState, 'running' | 'parked'>;
  steps: StepRecord[];
  percent: number;
};

/**
 * The workflow's ledger plus what only the server knows: which attempt a running step is at, and why the last one
 * did not succeed.
 */
export function liveOperation(steps: StepRecord[], description: WorkflowExecutionDescription): LiveOperation {
  const pending = description.raw.pendingActivities ?? [];
  const live = steps.map((step) => {
    const trying =
      step.state === 'running' && pending.find((activity) => activity.activityType?.name === step.name);
    if (!trying) return step;
    const refusal = trying.lastFailure?.message;
    return { ...step, attempts: trying.attempt ?? step.attempts, ...(refusal && { refusal }) };
  });
  const parked = description.typedSearchAttributes.get(operationStateKey) === 'parked';
  return { state: parked ? 'parked' : 'running', steps: live, percent: percentOf(steps) };
}
