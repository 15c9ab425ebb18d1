import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { Config } from '../config.ts';
import { config } from '../models/databases.ts';

/**
 * One lazy connection to Temporal per process. Opening it needs no server; it connects at the first call and again
 * after every loss, so the API starts and answers from the database while Temporal is away.
 */
export type Temporal = { client: Client; connection: Connection };

export function openTemporal({ address, namespace, apiKey }: Config['temporal']): Temporal {
  const connection = Connection.lazy({
    address,
    ...(apiKey && { apiKey, tls: true }),
    // grpc-js waits up to two minutes between attempts to reconnect; an outage must not outlast itself by that.
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2_000 },
    // Ten attempts within a second or two; the default waits up to five seconds between them, past any deadline.
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxIntervalMs: () => 250 }))],
  });
  return { connection, client: new Client({ connection, namespace }) };
}

let opened: Temporal | undefined;
export function temporal(): Temporal {
  opened ??= openTemporal(config().temporal);
  return opened;
}

export async function closeTemporal(): Promise<void> {
  const closing = opened;
  opened = undefined;
  await closing?.connection.close();
}

/** Temporal did not answer in time. What was asked for may still happen. */
export class TemporalUnavailable extends Error {
  constructor(cause: unknown) {
    super('Temporal does not answer.', { cause });
    this.name = 'TemporalUnavailable';
  }
}

/** Long enough for a busy server, short enough for somebody who waits for an HTTP answer. */
const patienceMs = 3_000;

/** Calls to Temporal made for a request: bounded in time, and one error for all the ways of not answering. */
export async function reach<T>(call: (client: Client) => Promise<T>): Promise<T> {
  const { client, connection } = temporal();
  try {
    return await connection.withDeadline(Date.now() + patienceMs, () => call(client));
  } catch (error) {
    if (isUnavailable(error)) throw new TemporalUnavailable(error);
    throw error;
  }
}

/** gRPC's cancelled, deadline exceeded, resource exhausted, aborted and unavailable. */
const unavailableCodes: readonly number[] = [1, 4, 8, 10, 14];

function isUnavailable(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return true;
  if (isGrpcServiceError(error)) return unavailableCodes.includes(error.code);
  return error instanceof Error && isUnavailable(error.cause);
}
