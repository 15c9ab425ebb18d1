import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Raw bytes of everything under a folder, a file at a time. */
export async function* filesUnder(folder: string): AsyncGenerator<{ path: string; bytes: string }> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    // What the servers are done with while it is being read is not there any more.
    const bytes = await readFile(path, 'latin1').catch(() => '');
    yield { path, bytes };
  }
}
