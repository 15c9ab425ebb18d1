import { isLifecycle, type OperationKind } from '../policies/operation.ts';

/**
 * The only place that knows a workflow: its type, id, queue and priority. Plain data, so that the API may import
 * it; test/workflows/registry.test.ts compares it with what workflows/index.ts exports.
 */
export type LifecycleInput = {
  tenantId: string;
  operationId: string;
  region: string;
  /** The tenant's state when the operation was asked for: where a failed or called-off operation leads back to. */
  previous: 'provisioning' | 'active' | 'suspended';
  /** Deletions only: how long the deletion can be called off. */
  graceSeconds?: number;
};

/** What an errand is about: the id of an invitation or a password reset. */
export type ErrandInput = { tenantId: string; operationId: string; region: string; subjectId: string };

/** A keyed hash of an address, and by which request its list was asked for. */
export type DiscoveryInput = { emailHash: string; region: string; requestId: string };

export type RegistryRow = {
  /** The exported function in workflows/, and the workflow type in Temporal. */
  workflowType: string;
  title: string;
  /** 1 incident, 2 interactive, 3 normal, 4 backup, 5 drill. */
  priorityKey: 1 | 2 | 3 | 4 | 5;
  /** Lifecycle operations have none: an outage may last longer than any number written here. */
  runTimeout?: '5 minutes' | '1 hour';
};

export const registry: Record<OperationKind | 'sweep-tenants' | 'discover-workspaces', RegistryRow> = {
  'provision-tenant': { workflowType: 'provisionTenant', title: 'Provision tenant', priorityKey: 2 },
  'suspend-tenant': { workflowType: 'suspendTenant', title: 'Suspend tenant', priorityKey: 2 },
  'resume-tenant': { workflowType: 'resumeTenant', title: 'Resume tenant', priorityKey: 2 },
  'delete-tenant': { workflowType: 'deleteTenant', title: 'Delete tenant', priorityKey: 3 },
  'invite-user': { workflowType: 'inviteUser', title: 'Invite user', priorityKey: 2 },
  'reset-password': { workflowType: 'resetPassword', title: 'Mail a password reset', priorityKey: 2 },
  // The schedule skips a sweep while one runs, so a sweep that hangs would end all sweeping without a timeout.
  'sweep-tenants': {
    workflowType: 'sweepTenants',
    title: 'Sweep tenants',
    priorityKey: 3,
    runTimeout: '5 minutes',
  },
  // Who has waited an hour for the mail has asked again.
  'discover-workspaces': {
    workflowType: 'discoverWorkspaces',
    title: 'Mail a list of workspaces',
    priorityKey: 3,
    runTimeout: '1 hour',
  },
};

/** One id for every lifecycle operation of a tenant: Temporal never runs two workflows of one id, which is the lock. */
export const lifecycleId = (tenantId: string): string => `tenant/${tenantId}/lifecycle`;

type Which = { tenantId: string; operationId: string; kind: OperationKind };
export const workflowIdOf = ({ tenantId, operationId, kind }: Which): string =>
  isLifecycle(kind) ? lifecycleId(tenantId) : `tenant/${tenantId}/${kind}/${operationId}`;

/** The tenant a workflow id belongs to, or undefined for work of the platform. */
export const tenantOfWorkflow = (workflowId: string): string | undefined =>
  /^tenant\/([^/]+)\//.exec(workflowId)?.[1];

export const sweepId = 'platform/sweep-tenants';
/** One mail at a time for each address, however often its list is asked for. */
export const discoveryId = (emailHash: string): string => `platform/discovery/${emailHash}`;

/** Workflows and short control activities. */
export const controlQueue = (region: string): string => `cp.${region}`;
/** Short calls to the outside (mail, payment), which may hang without holding up control activities. */
export const outsideQueue = (region: string): string => `io.${region}`;
export const regionOfQueue = (queue: string): string => queue.slice(queue.indexOf('.') + 1);

/** Names that client and workflow must agree on. */
export const principalHeader = 'freehold-principal';
export const stepsQuery = 'steps';
export const retrySignal = 'retry';
export const callOffUpdate = 'callOff';
/** What an errand waits for has come, or will never come. */
export const settledSignal = 'settled';

/** The caller can do something about it; the operation is undone. */
export const refusalType = 'refusal';
/** This run is not, or no longer, that of a stored operation: nothing may be done, above all nothing undone. */
export const strayType = 'stray';
