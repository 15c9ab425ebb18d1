import type { LifecycleKind } from './operation.ts';
import type { Action } from './permission.ts';

/**
 * A tenant's life as data: from which states an operation may be asked for, and where it leads. Routes, workflows
 * and (later) the console's buttons read this table; nothing else decides a transition.
 */
export const tenantStates = [
  'provisioning',
  'active',
  'suspended',
  'moving',
  'restoring',
  'deleting',
  'deleted',
  'failed',
] as const;
export type TenantState = (typeof tenantStates)[number];

export type Transition = {
  kind: LifecycleKind;
  /** What the caller must be allowed to do to the tenant. */
  action: Action;
  from: TenantState[];
  during: TenantState;
  to: TenantState;
  asked: string;
};

export const transitions: Record<LifecycleKind, Transition> = {
  'provision-tenant': {
    kind: 'provision-tenant',
    action: 'create',
    from: [],
    during: 'provisioning',
    to: 'active',
    asked: 'POST /v1/tenants',
  },
  'suspend-tenant': {
    kind: 'suspend-tenant',
    action: 'suspend',
    from: ['active'],
    during: 'active',
    to: 'suspended',
    asked: 'PUT /v1/tenants/{id}/suspension',
  },
  'resume-tenant': {
    kind: 'resume-tenant',
    action: 'reactivate',
    from: ['suspended'],
    during: 'suspended',
    to: 'active',
    asked: 'DELETE /v1/tenants/{id}/suspension',
  },
  'delete-tenant': {
    kind: 'delete-tenant',
    action: 'delete',
    from: ['active', 'suspended'],
    during: 'deleting',
    to: 'deleted',
    asked: 'DELETE /v1/tenants/{id}',
  },
};

/** States in which a tenant's name and address may be changed. */
export const renamable: TenantState[] = ['active', 'suspended'];

/** Why this operation may not be asked for now, in a sentence; undefined when it may. */
export function transitionFault(kind: LifecycleKind, state: TenantState): string | undefined {
  const { from } = transitions[kind];
  if (from.includes(state)) return undefined;
  return `The tenant is ${state}; this needs it to be ${from.join(' or ')}.`;
}
