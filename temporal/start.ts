import { setTimeout as pause } from 'node:timers/promises';
import {
  type Client,
  WorkflowClient,
  type WorkflowClientInterceptor,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { config } from '../models/databases.ts';
import type { Startable } from '../models/system/operation.ts';
import { isLifecycle, type OperationKind, type StepRecord } from '../policies/operation.ts';
import type { Principal } from '../policies/principal.ts';
import {
  callOffUpdate,
  controlQueue,
  type DiscoveryInput,
  discoveryId,
  type ErrandInput,
  type LifecycleInput,
  principalHeader,
  registry,
  retrySignal,
  settledSignal,
  stepsQuery,
  workflowIdOf,
} from '../workflows/registry.ts';
import { attributesOf, operationIdKey, operationStateKey } from '../workflows/search-attributes.ts';
import { reach, temporal } from './client.ts';
import { type LiveOperation, liveOperation } from './live-operation.ts';
import { platformPriority, tenantPriority } from './priority.ts';

/**
 * The only place that starts a workflow. The lifecycle id is the lock: a second operation of a tenant cannot start
 * while one runs. Starting the same operation again is a success, because a start may lose its reply; starting one
 * that has ended does nothing, because its first activity is refused (see interceptors.ts).
 */

/** `blocked`: another operation of the tenant runs; the sweep starts this one later. */
export type Started = 'started' | 'already-running' | 'blocked';

/** An operation's row is closed by its last activity, some milliseconds before its workflow is. */
const closingMs = 1_500;

export async function startOperation(operation: Startable): Promise<Started> {
  const deadline = Date.now() + closingMs;
  return reach(async (client) => {
    for (;;) {
      const outcome = await tryStart(client, operation);
      if (outcome !== 'blocked' || Date.now() > deadline) return outcome;
      await pause(25);
    }
  });
}

async function tryStart(client: Client, operation: Startable): Promise<Started> {
  try {
    await start(operation);
    return 'started';
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  const running = await describe(client, operation);
  return running?.typedSearchAttributes.get(operationIdKey) === operation.operationId
    ? 'already-running'
    : 'blocked';
}

async function start(operation: Startable): Promise<void> {
  const { tenantId, operationId, region, kind, principal, weight, requestId } = operation;
  const { workflowType, title, priorityKey } = registry[kind];
  await clientOf(principal).start(workflowType, {
    workflowId: workflowIdOf(operation),
    taskQueue: controlQueue(region),
    args: [inputOf(operation)],
    workflowIdConflictPolicy: 'FAIL',
    priority: tenantPriority(priorityKey, tenantId, weight),
    typedSearchAttributes: attributesOf(operation),
    ...(requestId && { memo: { requestId } }),
    staticSummary: title,
    staticDetails: `${title} \`${tenantId}\` in ${region}: operation \`${operationId}\`, asked for by \`${principal.id}\`.`,
  });
}

type Discovery = Omit<DiscoveryInput, 'region'>;

/** A mail that is on its way already is not sent again, so a second start is none. */
export async function startDiscovery({ emailHash, requestId }: Discovery): Promise<void> {
  const { workflowType, title, priorityKey, runTimeout } = registry['discover-workspaces'];
  const region = config().homeRegion;
  const input: DiscoveryInput = { emailHash, region, requestId };
  await reach((client) =>
    client.workflow.start(workflowType, {
      workflowId: discoveryId(emailHash),
      taskQueue: controlQueue(region),
      args: [input],
      workflowIdConflictPolicy: 'USE_EXISTING',
      priority: platformPriority(priorityKey),
      memo: { requestId },
      staticSummary: title,
      ...(runTimeout && { workflowRunTimeout: runTimeout }),
    }),
  );
}

function inputOf({ tenantId, operationId, region, kind, input }: Startable): LifecycleInput | ErrandInput {
  if (!isLifecycle(kind)) return { tenantId, operationId, region, subjectId: String(input.subjectId) };
  const previous = input.previous === 'suspended' || input.previous === 'active' ? input.previous : undefined;
  if (kind === 'delete-tenant' && !previous)
    throw new Error(`bug: ${operationId} does not say where it leads back to`);
  const grace = typeof input.graceSeconds === 'number' ? { graceSeconds: input.graceSeconds } : {};
  return { tenantId, operationId, region, previous: previous ?? 'provisioning', ...grace };
}

/** Cheap: a client is a few options around the one connection. */
function clientOf(principal: Principal): WorkflowClient {
  const { connection, client } = temporal();
  const bearing: WorkflowClientInterceptor = {
    start: (input, next) =>
      next({
        ...input,
        headers: { ...input.headers, [principalHeader]: defaultPayloadConverter.toPayload(principal) },
      }),
  };
  return new WorkflowClient({ connection, namespace: client.options.namespace, interceptors: [bearing] });
}

/** The newest workflow that has this operation's id, running or not. */
async function describe(client: Client, which: Which): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(workflowIdOf(which)).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

type Which = { tenantId: string; operationId: string; kind: OperationKind };
type Running = { handle: WorkflowHandle; description: WorkflowExecutionDescription };

/** Acts on this operation's own run, never on another operation of the same tenant. */
async function whileRunning<T>(
  which: Which,
  act: (running: Running) => Promise<T>,
): Promise<T | 'not-running'> {
  return reach(async (client) => {
    const description = await describe(client, which);
    if (description?.status.name !== 'RUNNING') return 'not-running';
    if (description.typedSearchAttributes.get(operationIdKey) !== which.operationId) return 'not-running';
    try {
      return await act({
        description,
        handle: client.workflow.getHandle(description.workflowId, description.runId),
      });
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'not-running';
      throw error;
    }
  });
}

function tell(which: Which, act: (handle: WorkflowHandle) => Promise<unknown>) {
  return whileRunning(which, ({ handle }) => act(handle).then(() => 'asked' as const));
}

export const cancelOperation = (which: Which) => tell(which, (handle) => handle.cancel());
/** Ends an errand's wait: what it waits for is settled. */
export const endErrand = (which: Which) => tell(which, (handle) => handle.signal(settledSignal));

/** Has a parked operation try again what it is stuck on. */
export function retryOperation(which: Which): Promise<'asked' | 'not-parked' | 'not-running'> {
  return whileRunning(which, async ({ handle, description }) => {
    if (description.typedSearchAttributes.get(operationStateKey) !== 'parked') return 'not-parked' as const;
    await handle.signal(retrySignal);
    return 'asked' as const;
  });
}

export function callOffDeletion(which: Which): Promise<'called-off' | 'too-late' | 'not-running'> {
  return whileRunning(which, async ({ handle }) => {
    try {
      await handle.executeUpdate(callOffUpdate);
      return 'called-off' as const;
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) return 'too-late' as const;
      throw error;
    }
  });
}

/** The operation as its workflow knows it now, with what is being tried at this moment. */
export function watchOperation(which: Which): Promise<LiveOperation | 'not-running'> {
  return whileRunning(which, async ({ handle, description }) =>
    liveOperation(await handle.query<StepRecord[]>(stepsQuery), description),
  );
}
