import { DatabaseSync } from 'node:sqlite';

/**
 * A lock that the kernel gives back with the process that holds it, even after `kill -9`: SQLite's lock on a file. Unlike
 * a pid file or a socket's name it has no stale state that two could clear at once. Undefined when somebody holds it.
 */
export type FileLock = { close(): void };

export function lockFile(path: string): FileLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return database;
  } catch (cause) {
    database.close();
    const busy = 5;
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === busy) return undefined;
    throw cause;
  }
}
