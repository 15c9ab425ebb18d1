import { setTimeout as pause } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { Config } from '../config.ts';
import { runAttributeKeys, searchAttributeKeys } from '../workflows/search-attributes.ts';
import { openTemporal, type Temporal } from './client.ts';

/**
 * Makes what Freehold needs of Temporal: the namespace of the control workflows, one per region for agent runs, and
 * the search attributes. Safe to repeat; the same calls serve the dev server and a real one.
 */
type Say = (done: string) => void;

/** Long enough to look into last month's onboarding; the operation rows keep the outcome for ever. */
const controlRetention = '30 days';
/** Runs carry tenant data, so they stay as short as looking into one needs. */
const runRetention = '7 days';

const notFound = 5;
const alreadyExists = 6;
const keyword = 2;

export async function ensureNamespaces(config: Config, say: Say): Promise<void> {
  const temporal = openTemporal(config.temporal);
  try {
    await ensureNamespace(temporal, config.temporal.namespace, controlRetention, say);
    await ensureSearchAttributes(temporal, config.temporal.namespace, searchAttributeKeys, say);
    await Promise.all(
      config.regions.map(async ({ temporalNamespace }) => {
        await ensureNamespace(temporal, temporalNamespace, runRetention, say);
        await ensureSearchAttributes(temporal, temporalNamespace, runAttributeKeys, say);
      }),
    );
  } finally {
    await temporal.connection.close();
  }
}

type Retention = typeof controlRetention | typeof runRetention;

async function ensureNamespace(
  { connection }: Temporal,
  namespace: string,
  retention: Retention,
  say: Say,
): Promise<void> {
  const { workflowService } = connection;
  if (await exists(() => workflowService.describeNamespace({ namespace }))) return;
  await unlessDone(() =>
    workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs(retention) }),
  );
  // The server's own list of namespaces lags behind for a second or more.
  await until(() => exists(() => workflowService.countWorkflowExecutions({ namespace })));
  say(`temporal: namespace ${namespace}, histories kept for ${retention}`);
}

async function ensureSearchAttributes(
  { connection }: Temporal,
  namespace: string,
  keys: { name: string }[],
  say: Say,
): Promise<void> {
  // A start that names an attribute the server has not heard of is refused, and so is this.
  const query = keys.map((key) => `${key.name} = 'none'`).join(' AND ');
  const usable = () =>
    succeeds(() => connection.workflowService.countWorkflowExecutions({ namespace, query }));
  if (await usable()) return;
  const known = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = keys.map((key) => key.name).filter((name) => !known.customAttributes?.[name]);
  if (missing.length > 0) {
    const searchAttributes = Object.fromEntries(missing.map((name) => [name, keyword]));
    await unlessDone(() => connection.operatorService.addSearchAttributes({ namespace, searchAttributes }));
  }
  await until(usable);
  say(`temporal: search attributes ${keys.map((key) => key.name).join(', ')} in ${namespace}`);
}

const patienceMs = 30_000;

async function until(settled: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await settled())) {
    if (Date.now() > deadline) throw new Error('Temporal has not taken over what was registered with it.');
    await pause(100);
  }
}

async function exists(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === notFound) return false;
    throw error;
  }
}

async function succeeds(call: () => Promise<unknown>): Promise<boolean> {
  return call().then(
    () => true,
    () => false,
  );
}

/** Two that migrate at once may both register. */
async function unlessDone(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!(isGrpcServiceError(error) && error.code === alreadyExists)) throw error;
  }
}
