import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDemoModels } from '../../deploy/embedded/demo-models.ts';
import { type Mailbox, startMailbox } from '../../deploy/embedded/mailbox.ts';
import { type RunningPostgres, startPostgres } from '../../deploy/embedded/postgres.ts';
import {
  findTemporal,
  type RunningTemporal,
  startTemporal,
  type TemporalServer,
} from '../../deploy/embedded/temporal-server.ts';

/** The real parts a run of the tests needs: two Postgres clusters, a Temporal server, a mailbox. All on free ports. */
export type Equipment = {
  directory: string;
  postgres: { eu: RunningPostgres; us: RunningPostgres };
  temporal: RunningTemporal;
  mailbox: { port: number; directory: string };
  /** Where the demo model server is. */
  demoModels: string;
  stop: () => Promise<void>;
};

// fsync would only protect data that is thrown away at the end; the benches measure with it on.
const throwAway = { fsync: 'off' };

export async function startEquipment(
  say: (line: string) => void,
  postgresSettings: Record<string, string> = throwAway,
): Promise<Equipment> {
  const directory = await mkdtemp(join(tmpdir(), 'freehold-test-'));
  // Postgres runs as a user of its own when the tests run as root, and has to get through.
  await chmod(directory, 0o711);
  const [eu, us, temporal, mailbox, demo] = await Promise.all([
    postgresNamed('eu', directory, undefined, postgresSettings),
    postgresNamed('us', directory, undefined, postgresSettings),
    temporalServer(directory, say),
    mailboxIn(directory),
    startDemoModels(0),
  ]);
  const stop = async () => {
    await Promise.allSettled([temporal.stop(), eu.stop(), us.stop(), mailbox.server.stop(), demo.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, postgres: { eu, us }, temporal, mailbox, demoModels: demo.url, stop };
}

export async function postgresNamed(
  name: string,
  directory: string,
  port?: number,
  settings: Record<string, string> = throwAway,
): Promise<RunningPostgres> {
  return startPostgres({
    name,
    directory: join(directory, `postgres-${name}`),
    port: port ?? (await freePort()),
    settings,
  });
}

export async function temporalServer(
  directory: string,
  say: (line: string) => void,
): Promise<RunningTemporal> {
  return startTemporal({ ...(await temporalProgram(say)), logFile: join(directory, 'temporal.log') });
}

/** A Temporal server that remembers: it can be started again at its address. */
export async function lastingTemporal(
  directory: string,
): Promise<{ address: string; launch: () => Promise<RunningTemporal> }> {
  const program = await temporalProgram(() => {});
  const logFile = join(directory, 'temporal.log');
  const server = { ...program, dbFile: join(directory, 'temporal.db'), logFile };
  return { address: `127.0.0.1:${program.ports.grpc}`, launch: () => startTemporal(server) };
}

async function temporalProgram(
  say: (line: string) => void,
): Promise<Pick<TemporalServer, 'binary' | 'ports'>> {
  const found = await findTemporal(say);
  if ('address' in found)
    throw new Error('The tests start and stop their own Temporal server; unset TEMPORAL_ADDRESS.');
  const [grpc, http, metrics] = await Promise.all([freePort(), freePort(), freePort()]);
  return { binary: found.binary, ports: { grpc, http, metrics } };
}

async function mailboxIn(parent: string): Promise<{ port: number; directory: string; server: Mailbox }> {
  const directory = join(parent, 'mail');
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  return { port, directory, server: await startMailbox(port, directory) };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
