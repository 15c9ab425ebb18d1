import { setTimeout as pause } from 'node:timers/promises';
import { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config.ts';
import { log } from '../telemetry.ts';

const retryMs = 1_000;

/** A worker's connection; waits until Temporal answers and has the namespace. Undefined when told to stop before. */
export async function connectForWork(
  config: Config['temporal'],
  stopping: AbortSignal,
): Promise<NativeConnection | undefined> {
  while (!stopping.aborted) {
    try {
      return await connect(config);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ address: config.address, namespace: config.namespace, reason }, 'waiting for Temporal');
    }
    await pause(retryMs, undefined, { signal: stopping }).catch(() => {});
  }
  return undefined;
}

async function connect({ address, namespace, apiKey }: Config['temporal']): Promise<NativeConnection> {
  const connection = await NativeConnection.connect({ address, ...(apiKey && { apiKey, tls: true }) });
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
