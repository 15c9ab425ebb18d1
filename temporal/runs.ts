import { setTimeout as pause } from 'node:timers/promises';
import {
  WorkflowClient,
  type WorkflowClientInterceptor,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { config } from '../models/databases.ts';
import type { Principal } from '../policies/principal.ts';
import { principalHeader } from '../workflows/registry.ts';
import {
  lookSignal,
  type RunInput,
  runQueue,
  runWorkflowId,
  runWorkflowType,
} from '../workflows/run-registry.ts';
import { runAttributesOf } from '../workflows/search-attributes.ts';
import { reach, temporal } from './client.ts';
import { tenantPriority } from './priority.ts';
import { runDataConverter, temporalNamespaceOf } from './run-namespace.ts';

/**
 * The only place that starts, nudges and ends the workflows of runs. What a run may do, and whether, stands in its row;
 * none of these calls carries more than its id.
 */
export type WhichRun = { tenantId: string; region: string; runId: string };
export type StartableRun = WhichRun & { round: number; principal: Principal; weight: number };

/** A run's row is closed by its last activity, some milliseconds before its workflow is. */
const closingMs = 2_500;

/**
 * Starting the first round again is a success: a start may lose its reply. A later one waits for the one before. It is
 * asked for with the row held in a state that is final, so what is still there after that has nothing left to do for
 * it: it is closing, or waits for a round whose transaction was rolled back. It is ended, and no round is lost to it.
 */
export async function startRun(run: StartableRun): Promise<void> {
  const deadline = Date.now() + closingMs;
  await reach(async () => {
    for (;;) {
      try {
        return await begin(run, Date.now() > deadline ? 'TERMINATE_EXISTING' : 'FAIL');
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        if (run.round === 1) return;
        await pause(25);
      }
    }
  });
}

async function begin(run: StartableRun, conflict: 'FAIL' | 'TERMINATE_EXISTING'): Promise<void> {
  const { tenantId, region, runId, round, principal, weight } = run;
  const input: RunInput = { tenantId, runId, round };
  await clientFor(region, principal).start(runWorkflowType, {
    workflowId: runWorkflowId(tenantId, runId),
    taskQueue: runQueue(region),
    args: [input],
    workflowIdConflictPolicy: conflict,
    priority: tenantPriority(3, tenantId, weight),
    typedSearchAttributes: runAttributesOf({ tenantId, region, runId }),
    staticSummary: 'Run',
  });
}

/** Has the run read its row. Nothing to tell a run that is over. */
export async function nudgeRun({ tenantId, region, runId }: WhichRun): Promise<void> {
  await unlessOver(() => handleOf({ tenantId, region, runId }).signal(lookSignal));
}

/**
 * Without a last word: for a tenant whose key is about to go, after which no worker could run it to its end, and for what
 * was started and will not be stored.
 */
export async function terminateRun(run: WhichRun, why: string): Promise<void> {
  await unlessOver(() => handleOf(run).terminate(why));
}

async function unlessOver(act: () => Promise<unknown>): Promise<void> {
  await reach(async () => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  });
}

const handleOf = ({ tenantId, region, runId }: WhichRun) =>
  clientFor(region).getHandle(runWorkflowId(tenantId, runId));

/** Cheap: a client is a few options around the one connection. */
function clientFor(region: string, principal?: Principal): WorkflowClient {
  const bearing: WorkflowClientInterceptor = {
    start: (input, next) =>
      next({
        ...input,
        headers: { ...input.headers, [principalHeader]: defaultPayloadConverter.toPayload(principal) },
      }),
  };
  return new WorkflowClient({
    connection: temporal().connection,
    namespace: temporalNamespaceOf(config(), region),
    dataConverter: runDataConverter,
    ...(principal && { interceptors: [bearing] }),
  });
}
