import { chmod, mkdir, readdir, readFile, realpath, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlainError } from './plain-error.ts';
import { randomBytes, secretIn, writeSecret } from './secret-file.ts';
import { isRoot } from './system-user.ts';

/** Everything of one installation, in `.freehold` of the current folder. */
export type Home = ReturnType<typeof pathsIn>;

/** Raised when a start could no longer use what an older one left; together with a way to bring it over. */
const format = '1';
/** Two fresh clusters and the Temporal server's file need about this much. */
const freeBytesMin = 200 * 1024 * 1024;

function pathsIn(directory: string) {
  const log = (name: string) => join(directory, 'logs', `${name}.log`);
  return {
    directory,
    log,
    logs: join(directory, 'logs'),
    mail: join(directory, 'mail'),
    usageJournal: join(directory, 'usage-journal'),
    compileCache: join(directory, 'compile-cache'),
    version: join(directory, 'version'),
    rootKey: join(directory, 'root-key'),
    operatorKey: join(directory, 'operator-key'),
    endpoints: join(directory, 'endpoints.json'),
    /** One key per example tenant, and `done`. */
    demo: join(directory, 'demo'),
    postgres: (region: string) => join(directory, `postgres-${region}`),
    temporal: join(directory, 'temporal', 'temporal.db'),
  };
}

/** Makes or finds it. Nothing in it is touched before it is known to be ours and of this version. */
export async function openHome(folder: string): Promise<Home> {
  const home = pathsIn(join(await realpath(folder), '.freehold'));
  await mkdir(home.directory, { recursive: true });
  const { bavail, bsize } = await statfs(home.directory);
  if (bavail * bsize < freeBytesMin) {
    throw new PlainError(
      `The disk is full: ${home.directory} needs at least ${freeBytesMin / 1024 / 1024} MB free and has ${Math.floor((bavail * bsize) / 1024 / 1024)} MB; free some space, then start again.`,
    );
  }
  await assertOurs(home);
  // Started by root, the servers run as the user postgres, which must pass through but need not look around.
  await chmod(home.directory, isRoot ? 0o711 : 0o700);
  for (const path of [home.logs, home.mail, home.demo, home.compileCache, dirname(home.temporal)])
    await mkdir(path, { recursive: true, mode: 0o700 });
  return home;
}

async function assertOurs({ directory, version }: Home): Promise<void> {
  const entries = await readdir(directory);
  if (!entries.includes('version')) {
    // Two first starts at once: the version is the first thing either writes, under a name of its own until it is whole.
    if (entries.every((name) => name.startsWith('version.'))) return writeSecret(version, `${format}\n`);
    throw new PlainError(
      `${directory} was not made by Freehold (it has no version file): move it away, then start again.`,
    );
  }
  const found = (await readFile(version, 'utf8')).trim();
  if (found === format) return;
  throw new PlainError(
    `${directory} was written by another version of Freehold (data format ${found}, this one reads ${format}): start that version, or move the folder away to begin afresh.`,
  );
}

/** Without this key no tenant's data opens again, so a new one is only made where there is no data yet. */
export async function ensureRootKey(home: Home): Promise<void> {
  const entries = await readdir(home.directory);
  if (!entries.includes('root-key') && entries.some((name) => name.startsWith('postgres-'))) {
    throw new PlainError(
      `${home.rootKey} is missing, and the tenants' keys beside it cannot be opened without it: put it back, or move ${home.directory} away to begin afresh.`,
    );
  }
  await secretIn(home.rootKey, () => randomBytes(32).toString('base64'));
}
