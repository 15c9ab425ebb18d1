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

/** Where it goes on: behind the tenant it came to last. */
export type RetentionInput = { region: string; after?: string };

/** The same, for what the meter does each minute or, `hourly`, each hour. */
export type MeterInput = RetentionInput & { hourly?: boolean };

/** A keyed hash of an address, and by which request its list was asked for. */
export type DiscoveryInput = { emailHash: string; region: string; requestId: string };

/** Whose webhooks are delivered; named otherwise than `tenantId`, which stands for an operation inside a tenant. */
export type DeliveriesInput = { of: string; region: string };
/** Whose people are mailed what they were told. */
export type TellingInput = { of: string; region: string };
export type WatchInput = { regions: string[] };

export type RegistryRow = {
  /** The exported function in workflows/, and the workflow type in Temporal. */
  workflowType: string;
  title: string;
  /** 1 incident, 2 interactive, 3 normal, 4 backup, 5 drill. */
  priorityKey: 1 | 2 | 3 | 4 | 5;
  /** Lifecycle operations have none: an outage may last longer than any number written here. */
  runTimeout?: '5 minutes' | '1 hour';
};

type Unasked =
  | 'sweep-tenants'
  | 'discover-workspaces'
  | 'rotate-root-key'
  | 'apply-retention'
  | 'meter-usage'
  | 'watch-integrations'
  | 'deliver-webhooks'
  | 'mail-notices';

export const registry: Record<OperationKind | Unasked, RegistryRow> = {
  'provision-tenant': { workflowType: 'provisionTenant', title: 'Provision tenant', priorityKey: 2 },
  'suspend-tenant': { workflowType: 'suspendTenant', title: 'Suspend tenant', priorityKey: 2 },
  'resume-tenant': { workflowType: 'resumeTenant', title: 'Resume tenant', priorityKey: 2 },
  'delete-tenant': { workflowType: 'deleteTenant', title: 'Delete tenant', priorityKey: 3 },
  'invite-user': { workflowType: 'inviteUser', title: 'Invite user', priorityKey: 2 },
  'reset-password': { workflowType: 'resetPassword', title: 'Mail a password reset', priorityKey: 2 },
  'rotate-key': { workflowType: 'rotateKey', title: 'Rotate the encryption key', priorityKey: 3 },
  'rotate-root-key': { workflowType: 'rotateRootKey', title: 'Rotate the root key', priorityKey: 3 },
  'change-settings': { workflowType: 'changeSettings', title: 'Change settings at a time', priorityKey: 2 },
  'raise-quota': { workflowType: 'raiseQuota', title: 'Ask for more of a limit', priorityKey: 2 },
  // The schedule skips a sweep while one runs, so a sweep that hangs would end all sweeping without a timeout.
  'sweep-tenants': {
    workflowType: 'sweepTenants',
    title: 'Sweep tenants',
    priorityKey: 3,
    runTimeout: '5 minutes',
  },
  'apply-retention': {
    workflowType: 'applyRetention',
    title: 'Delete what need not be kept any more',
    priorityKey: 4,
    runTimeout: '1 hour',
  },
  'meter-usage': {
    workflowType: 'meterUsage',
    title: 'Count what is used',
    priorityKey: 3,
    runTimeout: '1 hour',
  },
  // Who has waited an hour for the mail has asked again.
  'discover-workspaces': {
    workflowType: 'discoverWorkspaces',
    title: 'Mail a list of workspaces',
    priorityKey: 3,
    runTimeout: '1 hour',
  },
  'watch-integrations': {
    workflowType: 'watchIntegrations',
    title: 'Look after integrations',
    priorityKey: 4,
    runTimeout: '1 hour',
  },
  // Lives for as long as a receiver may be away: days.
  'deliver-webhooks': { workflowType: 'deliverWebhooks', title: 'Deliver webhooks', priorityKey: 3 },
  'mail-notices': { workflowType: 'mailNotices', title: 'Mail what people are told', priorityKey: 3 },
};

/** One id for every lifecycle operation of a tenant: Temporal never runs two workflows of one id, which is the lock. */
export const lifecycleId = (tenantId: string): string => `tenant/${tenantId}/lifecycle`;

type Which = { tenantId: string; operationId: string; kind: OperationKind };
export const workflowIdOf = ({ tenantId, operationId, kind }: Which): string =>
  isLifecycle(kind) ? lifecycleId(tenantId) : `tenant/${tenantId}/${kind}/${operationId}`;

/** The tenant a workflow id belongs to, or undefined for work of the platform. */
export const tenantOfWorkflow = (workflowId: string): string | undefined =>
  /^tenant\/([^/]+)\//.exec(workflowId)?.[1];

export const rootRotationId = 'platform/rotate-root-key';
/** One for each region, so that one whose databases are away holds up no other. */
export const retentionId = (region: string): string => `platform/apply-retention/${region}`;
/** Two for each region: what is done each minute does not wait for what takes longer. */
export const meterId = (region: string, every: 'minute' | 'hour'): string =>
  `platform/meter-usage/${every}/${region}`;
export const sweepId = 'platform/sweep-tenants';
/** One mail at a time for each address, however often its list is asked for. */
export const discoveryId = (emailHash: string): string => `platform/discovery/${emailHash}`;

export const watchId = 'platform/watch-integrations';
/** One for each tenant, so that a receiver gets what is meant for it in order, and no tenant waits for another. */
export const deliveriesId = (tenantId: string): string => `platform/webhooks/${tenantId}`;

/** One for each tenant, so that nothing is mailed twice. */
export const noticesId = (tenantId: string): string => `platform/notices/${tenantId}`;

/** Workflows and short control activities. */
export const controlQueue = (region: string): string => `cp.${region}`;
/** Short calls to the outside (mail, payment), which may hang without holding up control activities. */
export const outsideQueue = (region: string): string => `io.${region}`;
/** What keeps a database busy for long (activities/heavy.ts): few slots, and a permit besides. */
export const heavyQueue = (region: string): string => `heavy.${region}`;
export const regionOfQueue = (queue: string): string => queue.slice(queue.indexOf('.') + 1);

/** Names that client and workflow must agree on. */
export const principalHeader = 'freehold-principal';
export const stepsQuery = 'steps';
export const retrySignal = 'retry';
export const callOffUpdate = 'callOff';
/** There is something new to deliver. */
export const wakeSignal = 'wake';
/** What an errand waits for has come, or will never come. */
export const settledSignal = 'settled';

/** The caller can do something about it; the operation is undone. */
export const refusalType = 'refusal';
/** This run is not, or no longer, that of a stored operation: nothing may be done, above all nothing undone. */
export const strayType = 'stray';
