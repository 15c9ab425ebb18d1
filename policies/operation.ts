/**
 * What an operation is: one run of a lifecycle workflow, as the API shows it.
 * Read by routes (answers), workflows (the ledger) and models (the stored row).
 */
export const operationKinds = [
  'provision-tenant',
  'suspend-tenant',
  'resume-tenant',
  'delete-tenant',
] as const;
export type OperationKind = (typeof operationKinds)[number];

export const operationStates = ['running', 'succeeded', 'failed', 'cancelled', 'parked'] as const;
export type OperationState = (typeof operationStates)[number];

export const stepStates = ['waiting', 'running', 'done', 'failed', 'undone'] as const;
type StepState = (typeof stepStates)[number];

/** One step of an operation. Times are RFC 3339 UTC; `attempts` counts tries of the activity behind it. */
export type StepRecord = {
  name: string;
  title: string;
  state: StepState;
  startedAt?: string;
  endedAt?: string;
  attempts: number;
  /** Why the last attempt did not succeed, in words that hold no tenant data. */
  refusal?: string;
};

/** Ended states never change again; `parked` waits for an operator. */
export function isEnded(state: OperationState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** Steps done of all steps, in whole percent. */
export function percentOf(steps: readonly StepRecord[]): number {
  if (steps.length === 0) return 0;
  return Math.floor((100 * steps.filter((step) => step.state === 'done').length) / steps.length);
}
