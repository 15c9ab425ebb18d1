import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PlainError } from './plain-error.ts';
import { administrator, type Cluster, ensureCluster, specOf } from './postgres-cluster.ts';
import { postgresPrograms } from './postgres-programs.ts';
import { type Launch, launchHere, type ProcessSpec, type Running, untilReady } from './processes.ts';
import { type SystemUser, userForPostgres } from './system-user.ts';

export type RunningPostgres = Running & {
  /** The administrator's URL of the database `postgres`. */
  url: string;
  urlOf(database: string): string;
};

/**
 * 400 connections serve API, worker, tests and benches at once: a process that is busy with everything takes about 60 of
 * the home region's. A tenant's schema is dropped in one transaction that locks every table and index of it: 256 locks
 * for each connection, of which any may take them, is room for that many times over.
 */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '128MB',
  max_connections: '400',
  max_locks_per_transaction: '256',
  synchronous_commit: 'on',
};

export async function startPostgres(cluster: Cluster, launch: Launch = launchHere): Promise<RunningPostgres> {
  const { initdb, postgres } = postgresPrograms();
  await mkdir(cluster.directory, { recursive: true });
  const user = await userForPostgres(join(cluster.directory, 'data'), postgres);
  // Whatever the umask: the user postgres must get through to its data.
  if (user) await chmod(cluster.directory, 0o711);
  const password = await ensureCluster(cluster, user, initdb, launch);
  const url = new URL(`postgres://${administrator}:${password}@127.0.0.1:${cluster.port}/postgres`);
  const running = await launchServer(serverSpec(cluster, user, postgres), url.href, launch);
  return { ...running, url: url.href, urlOf: (database) => new URL(database, url).href };
}

const oldSessionsSeconds = 40;

/** After a kill, sessions in the middle of a long computation hold the shared memory until they notice. */
async function launchServer(spec: ProcessSpec, url: string, launch: Launch): Promise<Running> {
  const deadline = Date.now() + oldSessionsSeconds * 1000;
  for (;;) {
    const running = await launch(spec);
    try {
      await untilReady(running, () => answers(url), 60);
      return running;
    } catch (cause) {
      const held = cause instanceof PlainError && cause.message.includes('pre-existing shared memory block');
      if (!held || Date.now() > deadline) throw cause;
      await sleep(200);
    }
  }
}

/** By this part of its command line a server that works on this cluster is known. */
export function commandPartOf(directory: string): string {
  return `-D ${join(directory, 'data')} -p `;
}

export async function ensureDatabase(cluster: RunningPostgres, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  try {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

function serverSpec(cluster: Cluster, user: SystemUser, command: string): ProcessSpec {
  const wanted = Object.entries({ ...settings, ...cluster.settings });
  return specOf(cluster, user, {
    title: `Postgres ${cluster.name}`,
    command,
    args: [
      '-D',
      join(cluster.directory, 'data'),
      '-p',
      String(cluster.port),
      ...wanted.flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
  });
}

/**
 * Whatever keeps us from signing in means: ask again. It may be starting up, or somebody else's server may sit on the
 * port; then ours ends, and its log says why.
 */
async function answers(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
