import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, inherited, searchPath, temporalAddress } from './environment.ts';
import { PlainError } from './plain-error.ts';
import { type Launch, lastLines, launchHere } from './processes.ts';
import { downloadTemporal } from './temporal-download.ts';

/** The last version that `go install` accepts. */
const version = '1.5.1';
/** The server in it. Older ones know no fairness between tenants. */
const serverVersionMin = { major: 1, minor: 29 };

const cache = join(cacheDirectory, `temporal-${version}`);
const cached = join(cache, 'temporal');
const day = 24 * 3600 * 1000;

export type FoundTemporal = { address: string } | { binary: string };
type Rung = { says: string; climb: () => Promise<string> };

const run = promisify(execFile);

/**
 * The ladder: a server somebody else runs, a program on the path, our cache, a download, a build. Every rung says
 * what it does; one that fails says why, and the next is tried.
 */
export async function findTemporal(
  say: (sentence: string) => void,
  launch: Launch = launchHere,
): Promise<FoundTemporal> {
  if (temporalAddress) {
    say(`Using the Temporal server at ${temporalAddress} (TEMPORAL_ADDRESS).`);
    return { address: temporalAddress };
  }
  const rungs: Rung[] = [
    { says: 'Looking for temporal on the PATH', climb: () => onPath('temporal').then(checked) },
    { says: `Looking for it in the cache, ${cached}`, climb: () => checked(cached) },
    {
      says: `Downloading Temporal CLI ${version} from temporal.download (60 MB, once)`,
      climb: () => intoCache((unfinished) => downloadTemporal(version, unfinished)),
    },
    {
      says: `Building Temporal CLI ${version} with go install (some minutes, once)`,
      climb: () => intoCache((unfinished) => build(unfinished, launch)),
    },
  ];
  for (const { says, climb } of rungs) {
    say(`${says} …`);
    try {
      const binary = await climb();
      say(`Using the Temporal server ${binary}.`);
      return { binary };
    } catch (cause) {
      say(`That did not work: ${cause instanceof Error ? cause.message : cause}.`);
    }
  }
  throw new PlainError(
    `No Temporal server can be had on this machine: connect it to the internet, or install Go or the Temporal CLI (${serverText()} or newer), or name a running server in TEMPORAL_ADDRESS (host:port), then start again.`,
  );
}

async function onPath(program: string): Promise<string> {
  for (const folder of searchPath.split(delimiter).filter(Boolean)) {
    const found = join(folder, program);
    if (await isProgram(found)) return found;
  }
  throw new Error(`there is no ${program} on the PATH`);
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Asks the program itself. A build by `go install` calls itself 0.0.0-DEV, so only the server's version tells. */
async function checked(binary: string): Promise<string> {
  if (!(await isProgram(binary))) throw new Error(`${binary} is not there`);
  const { stdout } = await run(binary, ['--version'], { timeout: 20_000 }).catch((cause: Error) => {
    throw new Error(
      `${binary} does not run (${cause.message.split('\n').slice(1).join(' ').trim() || cause.message})`,
    );
  });
  const [, major, minor] = /Server (\d+)\.(\d+)\./.exec(stdout) ?? [];
  const { major: majorMin, minor: minorMin } = serverVersionMin;
  if (Number(major) === majorMin && Number(minor) >= minorMin) return binary;
  throw new Error(
    `${binary} is ${stdout.trim() || 'of an unknown version'}, and ${serverText()} or newer is needed`,
  );
}

function serverText(): string {
  return `Server ${serverVersionMin.major}.${serverVersionMin.minor}`;
}

/**
 * Made in a folder of its own and moved in when it runs: a killed download or build leaves no half program, and of two
 * clones that make it at once the later simply replaces the same file.
 */
async function intoCache(make: (unfinished: string) => Promise<string>): Promise<string> {
  await mkdir(cache, { recursive: true });
  await removeAbandoned();
  const unfinished = await mkdtemp(join(cache, 'making-'));
  try {
    await rename(await checked(await make(unfinished)), cached);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return cached;
}

/** No download or build takes a day: what is older was left by one that was killed. */
async function removeAbandoned(): Promise<void> {
  for (const name of (await readdir(cache)).filter((entry) => entry.startsWith('making-'))) {
    const folder = join(cache, name);
    const { mtimeMs } = await stat(folder);
    if (Date.now() - mtimeMs > day) await rm(folder, { recursive: true, force: true });
  }
}

async function build(unfinished: string, launch: Launch): Promise<string> {
  const logFile = join(unfinished, 'go.log');
  const running = await launch({
    title: 'go install',
    command: await onPath('go'),
    args: ['install', '-ldflags=-s -w', `github.com/temporalio/cli/cmd/temporal@v${version}`],
    env: { ...inherited, GOBIN: unfinished },
    logFile,
    stopSignal: 'SIGTERM',
    stopSeconds: 5,
  });
  const { code } = await running.exited;
  if (code !== 0) throw new Error(`go install failed (${lastLines(logFile, 3).replaceAll('\n', '; ')})`);
  return join(unfinished, 'temporal');
}
