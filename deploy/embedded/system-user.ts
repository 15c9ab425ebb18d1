import { execFile } from 'node:child_process';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { PlainError } from './plain-error.ts';

/** Undefined when we are not root: then Postgres simply runs as whoever started us. */
export type SystemUser = { uid: number; gid: number } | undefined;

const run = promisify(execFile);
const name = 'postgres';

export const isRoot = process.getuid?.() === 0;

/** Postgres refuses to run as root. Started by root it runs as the user postgres, which must be able to reach `paths` (their folders exist). */
export async function userForPostgres(...paths: string[]): Promise<SystemUser> {
  if (!isRoot) return undefined;
  const user = (await lookUp()) ?? (await create());
  for (const path of paths) await assertReachable(path, user);
  return user;
}

async function lookUp(): Promise<SystemUser> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    // `id` fails when there is no such user; that is the question it was asked.
    return undefined;
  }
}

async function create(): Promise<NonNullable<SystemUser>> {
  try {
    await run('groupadd', ['--system', name]);
    await run('useradd', ['--system', '--no-create-home', '--gid', name, name]);
  } catch (cause) {
    // Another start on this machine may have been quicker: whether the user is there now is all that counts.
    const made = await lookUp();
    if (made) return made;
    throw new PlainError(
      'Postgres does not run as root, and a user named postgres could not be made: make one, or start as an ordinary user.',
      { cause },
    );
  }
  const user = await lookUp();
  if (!user) throw new Error('useradd made the user postgres, but id does not find it');
  return user;
}

async function assertReachable(path: string, user: NonNullable<SystemUser>): Promise<void> {
  for (let folder = await realpath(dirname(path)); ; folder = dirname(folder)) {
    const { mode, uid, gid } = await stat(folder);
    const searchable = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if (!(mode & searchable)) {
      throw new PlainError(
        `Postgres does not run as root, and the user postgres it runs as instead may not enter ${folder}, so it cannot reach ${path}: ` +
          'move this clone where everybody may enter (for example /opt), or start as an ordinary user.',
      );
    }
    if (folder === dirname(folder)) return;
  }
}
