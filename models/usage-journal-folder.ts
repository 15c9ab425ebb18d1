import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { log } from '../telemetry.ts';
import { type FileLock, lockFile } from './file-lock.ts';
import { newId } from './ids.ts';

/**
 * Files of the usage journal. Each process has a folder of its own, locked for as long as it lives; whoever gets the lock
 * of another one's folder knows that nobody will write there any more. A file is only appended to, and never after it was
 * closed. What a process wrote is in the kernel's hands, so killing it loses nothing.
 */
export type Folder = { id: string; path: string; lock: FileLock };

const suffix = '.ndjson';
const lockName = 'lock';
/** A folder has its final name only once it is locked. */
const unfinished = '.unfinished';
const unfinishedMs = 3_600_000;

export function makeFolder(directory: string): Folder {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const id = newId('jnl');
  const path = join(directory, id);
  const making = `${path}${unfinished}`;
  mkdirSync(making, { mode: 0o700 });
  const lock = lockFile(join(making, lockName));
  if (!lock) throw new Error(`somebody else holds ${making}`);
  renameSync(making, path);
  return { id, path, lock };
}

export type Pen = {
  /** Appends to the file that is open; throws when the disk does not take all of it. */
  write(line: string): void;
  /** Closes the file that is open and names it; undefined when nothing was written since. */
  close(): string | undefined;
};

export function penFor({ path }: Folder): Pen {
  let open: { name: string; descriptor: number } | undefined;
  let count = 0;
  const close = () => {
    const closed = open;
    open = undefined;
    if (closed) closeSync(closed.descriptor);
    return closed?.name;
  };
  return {
    write(line) {
      open ??= opened(path, `${String(++count).padStart(9, '0')}${suffix}`);
      if (writeSync(open.descriptor, line) < Buffer.byteLength(line)) throw new Error('the disk is full');
    },
    close,
  };
}

function opened(path: string, name: string): { name: string; descriptor: number } {
  return { name, descriptor: openSync(join(path, name), 'ax', 0o600) };
}

export function filesIn({ path }: Folder): string[] {
  try {
    const names = readdirSync(path);
    return names.filter((name) => name.endsWith(suffix)).sort();
  } catch (cause) {
    if (isGone(cause)) return [];
    throw cause;
  }
}

/** Another process was first, and is done. */
const isGone = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';

/** Folders whose processes are gone, ours from now on; what was given up half-made is cleared away. */
export function abandonedFolders(directory: string, ownId: string): Folder[] {
  return readdirSync(directory).flatMap((id): Folder[] => {
    const path = join(directory, id);
    if (id === ownId) return [];
    if (id.endsWith(unfinished)) {
      const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - since > unfinishedMs) rmSync(path, { recursive: true, force: true });
      return [];
    }
    const lock = existsSync(join(path, lockName)) && lockFile(join(path, lockName));
    return lock ? [{ id, path, lock }] : [];
  });
}

/** Gives a folder back, and removes it if nothing is left in it. */
export function leaveFolder(folder: Folder): void {
  if (filesIn(folder).length === 0) rmSync(folder.path, { recursive: true, force: true });
  folder.lock.close();
}

export function removeFile({ path }: Folder, name: string): void {
  rmSync(join(path, name), { force: true });
}

/** Of everything that waits there, of all processes. */
export function bytesIn(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const sizes = names
    .filter((name) => name.endsWith(suffix))
    .map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of one that is gone there is nothing left to take; one that cannot be read is offered again, and keeps up no other. */
export async function contentOf(folder: Folder, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder.path, name), 'utf8');
  } catch (error) {
    log.error({ folder: folder.id, name, error: String(error) }, 'usage could not be read');
    return isGone(error) ? '' : undefined;
  }
}
