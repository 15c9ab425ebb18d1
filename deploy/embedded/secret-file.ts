import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Read by its owner alone, and there whole or not at all: a start that is killed must not leave half a key. */
export async function writeSecret(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(unfinished, text, { mode: 0o600, flush: true });
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** The secret kept in `path`; made at the first call, the same ever after. */
export async function secretIn(path: string, make: () => string): Promise<string> {
  const kept = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    return undefined;
  });
  if (kept !== undefined) return kept;
  const made = make();
  await writeSecret(path, made);
  return made;
}

export function randomBytes(count: number): Buffer {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(count)));
}
