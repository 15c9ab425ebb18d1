import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Running, signalTo } from '../../deploy/embedded/processes.ts';
import type { Caller } from './client.ts';
import type { Followed } from './tenants.ts';

/** A server that a test takes away and brings back, at the same address and with what it had stored. */
export type Lasting = {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Without a chance to put anything in order. */
  crash(): Promise<void>;
};

export async function lasting(launch: () => Promise<Running>, crashSignal: NodeJS.Signals): Promise<Lasting> {
  let running: Running | undefined = await launch();
  return {
    async start() {
      running ??= await launch();
    },
    async stop() {
      const stopping = running;
      running = undefined;
      await stopping?.stop();
    },
    async crash() {
      const crashing = running;
      running = undefined;
      crashing?.kill(crashSignal);
      await crashing?.exited;
    },
  };
}

/** Keeps everybody else from a table: who needs it waits, and so a step is caught in the middle. Answers the release. */
export async function hold(url: string, table: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url });
  // The server may be taken away meanwhile, and the lock with it.
  client.on('error', () => {});
  await client.connect();
  await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  return () => client.end();
}

/** Waits until the operation has come as far as asked. */
export async function until(
  operationId: string,
  as: Caller,
  arrived: (operation: Followed) => boolean,
): Promise<Followed> {
  for (const deadline = Date.now() + 30_000; ; await pause(50)) {
    const { body } = await as.call<Followed>('GET', `/v1/operations/${operationId}`);
    if (arrived(body)) return body;
    if (Date.now() > deadline)
      throw new Error(`operation ${operationId} did not come so far: ${JSON.stringify(body)}`);
  }
}

export const stepOf = (operation: Followed, name: string) =>
  operation.steps.find((step) => step.name === name);

/** Stops a server and all its children where they are: connections stay, and nothing is answered. Answers the way back. */
export async function freeze(server: Running): Promise<() => void> {
  server.kill('SIGSTOP'); // first, so that it makes no more children
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const children = stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid = 0, parent]) => (parent === server.pid ? [pid] : []));
  for (const child of children) signalTo(child, 'SIGSTOP');
  return () => {
    for (const pid of [...children, server.pid]) signalTo(pid, 'SIGCONT');
  };
}
