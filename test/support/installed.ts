import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../../deploy/embedded/environment.ts';

/** Programs of others that tests run against, installed once into the cache that all clones on a machine share. */
type Program = {
  name: string;
  version: string;
  /** A file of what is installed: nothing is moved to its place before it is whole. */
  part: string;
  /** What a machine has to have for it. */
  needs: string;
  install: (directory: string) => Promise<unknown>;
};

export const folderOf = ({ name, version }: Pick<Program, 'name' | 'version'>): string =>
  join(cacheDirectory, `${name}-${version}`);

export const isInstalled = (program: Program): Promise<boolean> =>
  access(join(folderOf(program), program.part)).then(
    () => true,
    () => false,
  );

/** Answers where it is; throws a sentence when it cannot be installed on this machine. */
export async function ensureInstalled(program: Program): Promise<string> {
  const { name, version, needs, install } = program;
  const installed = folderOf(program);
  if (await isInstalled(program)) return installed;
  await mkdir(cacheDirectory, { recursive: true });
  const unfinished = await mkdtemp(join(cacheDirectory, `making-${name}-`));
  try {
    await install(unfinished);
    // Somebody else may have been faster; theirs is as good.
    await rename(unfinished, installed).catch(() => {});
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${name} ${version} cannot be installed; it needs ${needs}: ${why}`);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return installed;
}

/** In CI a missing part is a failure. On a developer's machine the reason is written out, and the tests are skipped. */
export async function orSkip<T>(test: { skip(): never }, equipment: Promise<T>): Promise<T> {
  return equipment.catch((cause: unknown) => {
    if (process.env.CI) throw cause;
    process.stderr.write(`Skipped: ${cause instanceof Error ? cause.message : cause}\n`);
    return test.skip();
  });
}
