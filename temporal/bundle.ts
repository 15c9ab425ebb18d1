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

/** `control` for the namespace of the control workflows, `runs` for those of the regions, where failures are sealed. */
export type Bundled = 'control' | 'runs';
const entries: Record<Bundled, string> = { control: '../workflows/index.ts', runs: '../workflows/runs.ts' };

const made = new Map<Bundled, Promise<Bundle>>();
export function workflowBundle(which: Bundled = 'control'): Promise<Bundle> {
  const bundle = made.get(which) ?? keptBundle(which);
  made.set(which, bundle);
  return bundle;
}

async function keptBundle(which: Bundled): Promise<Bundle> {
  const name = `workflows-${which}-${fingerprint()}.js`;
  const codePath = join(keptIn, name);
  if (existsSync(codePath)) return { codePath };
  try {
    await mkdir(keptIn, { recursive: true });
    await makeIn(codePath, which);
    return { codePath };
  } catch (cause) {
    if (!isReadOnly(cause)) throw cause;
    const elsewhere = join(await mkdtemp(join(tmpdir(), 'freehold-')), name);
    await makeIn(elsewhere, which);
    return { codePath: elsewhere };
  }
}

async function makeIn(codePath: string, which: Bundled): Promise<void> {
  const unfinished = `${codePath}.${process.pid}`;
  await writeFile(unfinished, '');
  await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), unfinished, which]);
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

async function make(codePath: string, which: Bundled): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: pathOf(entries[which]),
    ...(which === 'runs' && { failureConverterPath: pathOf('../workflows/failure-converter.ts') }),
    workflowInterceptorModules: [pathOf('../workflows/interceptors.ts')],
  });
  await writeFile(codePath, code);
}

const [, program, asked, which] = process.argv;
if (program === fileURLToPath(import.meta.url) && asked)
  await make(asked, which === 'runs' ? 'runs' : 'control');
