import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundleWorkflowCode } from '@temporalio/worker';
import { digest } from '../models/secrets.ts';

/**
 * The workflows as one script for the sandbox. Making it loads webpack: more than a second, and tens of megabytes
 * that a worker would keep. So a process of its own makes it, once per version of the code, and it is kept beside
 * the packages; where that folder cannot be written, it is made anew at each start.
 */
const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const folders = ['../workflows', '../policies'].map(pathOf);
const keptIn = pathOf('../node_modules/.cache/freehold');

export type Bundle = { codePath: string };

let made: Promise<Bundle> | undefined;
export function workflowBundle(): Promise<Bundle> {
  made ??= keptBundle();
  return made;
}

async function keptBundle(): Promise<Bundle> {
  const name = `workflows-${fingerprint()}.js`;
  const codePath = join(keptIn, name);
  if (existsSync(codePath)) return { codePath };
  try {
    await mkdir(keptIn, { recursive: true });
    await makeIn(codePath);
    return { codePath };
  } catch (cause) {
    if (!isReadOnly(cause)) throw cause;
    const elsewhere = join(await mkdtemp(join(tmpdir(), 'freehold-')), name);
    await makeIn(elsewhere);
    return { codePath: elsewhere };
  }
}

async function makeIn(codePath: string): Promise<void> {
  const unfinished = `${codePath}.${process.pid}`;
  await writeFile(unfinished, '');
  await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), unfinished]);
  await rename(unfinished, codePath);
}

function isReadOnly(cause: unknown): boolean {
  return (
    cause instanceof Error && 'code' in cause && ['EACCES', 'EROFS', 'EPERM'].includes(String(cause.code))
  );
}

/** Of all that can change the script: our workflows, what they import, and the packages. */
function fingerprint(): string {
  const files = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const texts = [...files.sort(), pathOf('../package-lock.json')].map(
    (file) => `${file}\n${readFileSync(file, 'utf8')}`,
  );
  return digest(texts.join('\n')).slice(0, 16);
}

async function make(codePath: string): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: pathOf('../workflows/index.ts'),
    workflowInterceptorModules: [pathOf('../workflows/interceptors.ts')],
  });
  await writeFile(codePath, code);
}

const [, program, asked] = process.argv;
if (program === fileURLToPath(import.meta.url) && asked) await make(asked);
