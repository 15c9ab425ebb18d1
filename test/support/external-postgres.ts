import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inherited } from '../../deploy/embedded/environment.ts';
import { launchHere, type ProcessSpec, type Running, untilReady } from '../../deploy/embedded/processes.ts';
import { userForPostgres } from '../../deploy/embedded/system-user.ts';
import { freePort, postgresNamed } from './equipment.ts';

/**
 * Postgres as others run it for us: we are given the URL of an administrator who may make roles and databases and is
 * no superuser, as with every managed Postgres. Debian's server where the package postgresql-15 is installed,
 * otherwise the embedded programs.
 */
export type ExternalPostgres = { urlOf(database: string): string; stop(): Promise<unknown> };

const debian = '/usr/lib/postgresql/15/bin';
const superuser = 'postgres';

export async function debianPostgres(name: string, directory: string): Promise<ExternalPostgres> {
  return existsSync(join(debian, 'postgres')) ? started(name, directory) : embeddedPostgres(name, directory);
}

export async function embeddedPostgres(name: string, directory: string): Promise<ExternalPostgres> {
  const running = await postgresNamed(name, directory);
  return administered(running.url, running);
}

async function started(name: string, parent: string): Promise<ExternalPostgres> {
  const directory = join(parent, name);
  const data = join(directory, 'data');
  await mkdir(directory, { mode: 0o711 });
  const user = await userForPostgres(data, join(debian, 'postgres'));
  const passwordFile = join(directory, 'password');
  const password = randomBytes(16).toString('hex');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user) for (const path of [directory, passwordFile]) await chown(path, user.uid, user.gid);
  const spec = (program: string, args: string[]): ProcessSpec => ({
    title: `Debian's ${program} for ${name}`,
    command: join(debian, program),
    args,
    env: { ...inherited, LC_ALL: 'C' },
    logFile: join(parent, `${name}-${program}.log`),
    stopSignal: 'SIGINT',
    stopSeconds: 20,
    ...(user && { user }),
  });
  const making = ['-D', data, '-U', superuser, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const made = await (await launchHere(spec('initdb', [...making, '--locale=C.UTF-8']))).exited;
  if (made.code !== 0) throw new Error(`initdb ended with ${made.code}`);
  const port = await freePort();
  const listening = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off'];
  const running = await launchHere(spec('postgres', ['-D', data, '-p', `${port}`, ...listening]));
  const url = `postgres://${superuser}:${password}@127.0.0.1:${port}/postgres`;
  await untilReady(running, () => answers(url), 30);
  return administered(url, running);
}

async function answers(url: string): Promise<boolean> {
  return query(url, 'SELECT 1').then(
    () => true,
    () => false,
  );
}

async function administered(superuserUrl: string, { stop }: Running): Promise<ExternalPostgres> {
  const password = randomBytes(16).toString('hex');
  await query(superuserUrl, `CREATE ROLE cloud_admin LOGIN CREATEROLE CREATEDB PASSWORD '${password}'`);
  const url = new URL(superuserUrl);
  url.username = 'cloud_admin';
  url.password = password;
  return { urlOf: (database) => new URL(`/${database}`, url).href, stop };
}

export async function query(url: string, text: string): Promise<object[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<object>(text)).rows;
  } finally {
    await client.end();
  }
}
