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
import { type Outlook, outlook } from './outlook.ts';

/**
 * One lazy connection to Temporal per process. Opening it needs no server; it connects at the first call and again
 * after every loss, so the API starts and answers from the database while Temporal is away.
 */
export type Temporal = { client: Client; connection: Connection };

type Where = Pick<Config['temporal'], 'address' | 'namespace' | 'apiKey'>;

export function openTemporal({ address, namespace, apiKey }: Where): Temporal {
  const connection = Connection.lazy({
    address,
    ...(apiKey && { apiKey, tls: true }),
    // grpc-js waits up to two minutes between attempts to reconnect; an outage must not outlast itself by that.
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 },
    // Ten attempts within a second or two; the default waits up to five seconds between them, past any deadline.
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxIntervalMs: () => 250 }))],
  });
  return { connection, client: new Client({ connection, namespace }) };
}

let opened: { temporal: Temporal; outlook: Outlook } | undefined;

function here(): { temporal: Temporal; outlook: Outlook } {
  if (opened) return opened;
  const made = openTemporal(config().temporal);
  opened = { temporal: made, outlook: outlook(() => probe(made)) };
  return opened;
}

export function temporal(): Temporal {
  return here().temporal;
}

export async function closeTemporal(): Promise<void> {
  const closing = opened;
  opened = undefined;
  closing?.outlook.close();
  await closing?.temporal.connection.close();
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
/** Short, so that a return is noticed within about a second. */
const probeMs = 750;

/** Calls to Temporal made for a request: bounded in time, and one error for all the ways of not answering. */
export async function reach<T>(call: (client: Client) => Promise<T>): Promise<T> {
  const { temporal, outlook } = here();
  await outlook.hope().catch((cause: unknown) => {
    throw new TemporalUnavailable(cause);
  });
  try {
    return await temporal.connection.withDeadline(Date.now() + patienceMs, () => call(temporal.client));
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    outlook.doubt();
    throw new TemporalUnavailable(error);
  }
}

/** Asked about our own namespace, it has to read its store; an answer we do not like is an answer. */
async function probe({ connection, client }: Temporal): Promise<void> {
  const { namespace } = client.options;
  try {
    await connection.withDeadline(Date.now() + probeMs, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  } catch (error) {
    if (isUnavailable(error)) throw error;
  }
}

/** gRPC's cancelled, deadline exceeded, resource exhausted, aborted and unavailable. */
const unavailableCodes: readonly number[] = [1, 4, 8, 10, 14];

function isUnavailable(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return true;
  if (isGrpcServiceError(error)) return unavailableCodes.includes(error.code);
  return error instanceof Error && isUnavailable(error.cause);
}
