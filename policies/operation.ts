/**
 * What an operation is: one run of a workflow for a tenant, as the API shows it.
 * Read by routes (answers), workflows (the ledger) and models (the stored row).
 */
export const lifecycleKinds = [
  'provision-tenant',
  'suspend-tenant',
  'resume-tenant',
  'delete-tenant',
] as const;
/** Steps of a tenant's life: one at a time for each tenant. */
export type LifecycleKind = (typeof lifecycleKinds)[number];

/** Errands inside a tenant: as many at once as there are people who ask. */
const errandKinds = [
  'invite-user',
  'reset-password',
  'rotate-key',
  'change-settings',
  'raise-quota',
] as const;
export type ErrandKind = (typeof errandKinds)[number];

export const operationKinds = [...lifecycleKinds, ...errandKinds] as const;
export type OperationKind = (typeof operationKinds)[number];

export function isLifecycle(kind: OperationKind): kind is LifecycleKind {
  return lifecycleKinds.some((each) => each === kind);
}

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
