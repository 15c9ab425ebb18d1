import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../config.ts';
import { closeDatabases, useConfig } from '../../models/databases.ts';
import type { Startable } from '../../models/system/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import { log } from '../../telemetry.ts';
import { closeTemporal, temporal } from '../../temporal/client.ts';
import { ensureNamespaces } from '../../temporal/namespaces.ts';
import { runWorkers, type Workers } from '../../temporal/worker.ts';
import { workflowIdOf } from '../../workflows/registry.ts';
import { handed, ownSettings, type Settings } from './environment.ts';
import { type Around, faultyParts } from './faults.ts';
import { operator } from './lifecycle.ts';

/** Databases, a Temporal namespace and workers of a test file's own, with faults by tenant around the activities. */
export type Stage = {
  principal: Principal;
  /** One for every tenant something shall happen to. */
  faults: Map<string, Around>;
  /** Workers of this process; started when first needed. */
  work(): Promise<void>;
  rest(): Promise<void>;
  /**
   * A worker process in which the step of each tenant takes effect and is never answered; killed when all have got
   * that far. `begin` starts the operations.
   */
  killedAt(steps: Map<string, string>, begin: () => Promise<unknown>): Promise<void>;
  leave(): Promise<void>;
};

/** With an address, the Temporal server is the caller's to start, and to give its namespaces. */
export async function setStage(temporalAddress?: string, more: Settings = {}): Promise<Stage> {
  const own = await ownSettings(handed(), `test-${randomBytes(4).toString('hex')}`);
  const settings = {
    ...own,
    ...more,
    ...(temporalAddress && { FREEHOLD_TEMPORAL_ADDRESS: temporalAddress }),
  };
  const config = loadConfig(settings);
  // One that a file before this left open in this process is of another namespace.
  await closeTemporal();
  useConfig(config);
  log.level = 'fatal';
  if (!temporalAddress) await ensureNamespaces(config, () => {});
  const faults = new Map<string, Around>();
  let workers: Promise<Workers> | undefined;
  const stage: Stage = {
    principal: await operator(),
    faults,
    async work() {
      workers ??= runWorkers(
        config,
        faultyParts((tenantId) => faults.get(tenantId)),
      );
      await (await workers).ready;
    },
    async rest() {
      const resting = workers;
      workers = undefined;
      await (await resting)?.shutdown();
    },
    async killedAt(steps, begin) {
      const env = { ...process.env, ...settings, FREEHOLD_DOOM: JSON.stringify([...steps]) };
      const child = fork(fileURLToPath(new URL('./doomed-worker.ts', import.meta.url)), { env });
      const reached = new Set<unknown>();
      const allReached = new Promise<void>((resolve) => {
        child.on('message', (tenantId) => {
          reached.add(tenantId);
          if (reached.size === steps.size) resolve();
        });
      });
      try {
        await begin();
        await allReached;
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
    async leave() {
      await stage.rest();
      await Promise.all([closeTemporal(), closeDatabases()]);
    },
  };
  return stage;
}

/** Waits until the operation's workflow has closed, and says how Temporal saw it end. */
export async function closed(operation: Startable): Promise<string> {
  const handle = temporal().client.workflow.getHandle(workflowIdOf(operation));
  await handle.result().catch(() => {});
  return (await handle.describe()).status.name;
}
