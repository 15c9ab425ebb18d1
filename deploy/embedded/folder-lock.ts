import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFile } from '../../models/file-lock.ts';

/** Who runs in this folder, for the sentence a second start is answered with. */
export type Holder = { pid: number; url: string };

export type FolderLock =
  | { taken: true /** The run before did not end in order. */; unclean: boolean; release(): void }
  | { taken: false; holder: Holder | undefined };

/**
 * One run per folder. The guard holds its lock (models/file-lock.ts), so it is free when the last process of the run is
 * gone, not when the terminal is.
 */
export async function lockFolder(home: string, holder: Holder): Promise<FolderLock> {
  const statePath = join(home, 'running.json');
  const asked = Date.now();
  for (;;) {
    const lock = lockFile(join(home, 'lock'));
    const previous = await holderIn(statePath);
    if (lock) {
      await writeFile(statePath, JSON.stringify(holder), { mode: 0o600 });
      const release = () => {
        rmSync(statePath, { force: true });
        lock.close();
      };
      return { taken: true, unclean: previous !== undefined, release };
    }
    if (Date.now() - asked > patienceMs(previous)) return { taken: false, holder: previous };
    await sleep(100);
  }
}

function patienceMs(holder: Holder | undefined): number {
  // Just taking the lock, or just giving it back: one of the two is done in an instant.
  if (!holder) return 2_000;
  // Held for somebody who is gone: the guard is stopping what was left, and will be done soon.
  return lives(holder.pid) ? 0 : 60_000;
}

async function holderIn(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    // Not there after an orderly end, half written for an instant at a start: nobody to name either way.
    return undefined;
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
}
