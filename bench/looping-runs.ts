import { Connection, WorkflowClient } from '@temporalio/client';
import { loadConfig } from '../config.ts';
import { useConfig } from '../models/databases.ts';
import { log } from '../telemetry.ts';
import { runDataConverter, temporalNamespaceOf } from '../temporal/run-namespace.ts';
import type { Settings } from '../test/support/environment.ts';
import { begun, type Runner } from '../test/support/run-stage.ts';
import { runWorkflowId } from '../workflows/run-registry.ts';
import { milliseconds } from './statistics.ts';

/**
 * Tenants that keep so many runs under way each, in a process of their own: each begins the next run when one has ended,
 * until it is told to stop.
 */
export type Workload = { by: Runner; workflowId: string; weight: number };
export type Looping = { settings: Settings; loads: Workload[]; atOnce: number };
export type Looped = { milliseconds: number[] };

type Command = Looping | 'stop';
let over = false;

process.on('message', async (command: Command) => {
  if (command === 'stop') {
    over = true;
    return;
  }
  over = false;
  process.send?.(await loop(command));
});

let client: WorkflowClient | undefined;

async function clientFor(settings: Settings): Promise<WorkflowClient> {
  if (client) return client;
  const config = loadConfig(settings);
  useConfig(config);
  log.level = 'error';
  const connection = await Connection.connect({ address: config.temporal.address });
  const namespace = temporalNamespaceOf(config, 'eu');
  client = new WorkflowClient({ connection, namespace, dataConverter: runDataConverter });
  return client;
}

async function loop({ settings, loads, atOnce }: Looping): Promise<Looped> {
  const runs = await clientFor(settings);
  const took: number[] = [];
  const whole = async ({ by, workflowId, weight }: Workload) => {
    const runId = await begun(by, { workflowId }, {}, weight);
    await runs.getHandle(runWorkflowId(by.tenantId, runId)).result();
  };
  const oneByOne = async (load: Workload) => {
    while (!over) took.push(await milliseconds(() => whole(load)));
  };
  await Promise.all(loads.flatMap((load) => Array.from({ length: atOnce }, () => oneByOne(load))));
  return { milliseconds: took };
}
