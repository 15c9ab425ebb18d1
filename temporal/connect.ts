import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config.ts';
import { log } from '../telemetry.ts';

const retryMs = 1_000;

/** A worker's connection; waits until Temporal answers and has the namespaces. Undefined when told to stop before. */
export async function connectForWork(
  config: Config['temporal'],
  namespaces: string[],
  stopping: AbortSignal,
): Promise<NativeConnection | undefined> {
  // A silent server can keep an attempt for half a minute; a stop does not wait for it.
  const stopped = stopping.aborted ? Promise.resolve() : once(stopping, 'abort');
  while (!stopping.aborted) {
    const attempt = connect(config, namespaces);
    try {
      await Promise.race([attempt, stopped]);
      if (!stopping.aborted) return await attempt;
      attempt.then(
        (late) => late.close(),
        () => {},
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ address: config.address, namespaces, reason }, 'waiting for Temporal');
      await Promise.race([pause(retryMs), stopped]);
    }
  }
  return undefined;
}

async function connect(
  { address, apiKey }: Config['temporal'],
  namespaces: string[],
): Promise<NativeConnection> {
  const connection = await NativeConnection.connect({ address, ...(apiKey && { apiKey, tls: true }) });
  try {
    const { workflowService } = connection;
    await Promise.all(namespaces.map((namespace) => workflowService.describeNamespace({ namespace })));
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
