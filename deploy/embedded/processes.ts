import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fullDiskSentence, PlainError } from './plain-error.ts';

/** Plain data, so that it can travel to the guard. `title` begins a sentence: "The Temporal server ended …". */
export type ProcessSpec = {
  title: string;
  command: string;
  args: string[];
  env: Record<string, string | undefined>;
  logFile: string;
  stopSignal: 'SIGTERM' | 'SIGINT';
  /** After this long the process is killed: a stop must end. */
  stopSeconds: number;
  user?: { uid: number; gid: number };
  /** Gives the process an IPC channel, so that it can end itself when whoever started it is gone. */
  channel?: boolean;
};

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type Running = {
  spec: ProcessSpec;
  pid: number;
  exited: Promise<Exit>;
  stop(): Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
};

/** Starts a process: here (`launchHere`), or in the guard (guard-channel.ts) that outlives us long enough to stop it. */
export type Launch = (spec: ProcessSpec) => Promise<Running>;

export const launchHere: Launch = async (spec) => {
  const log = freshLog(spec.logFile);
  const child = spawn(spec.command, spec.args, {
    env: spec.env,
    ...spec.user,
    // A process group of its own: Ctrl-C in the terminal must not reach it before its turn.
    detached: true,
    stdio: spec.channel ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
  });
  // Node duplicated it for the child; ours would only leak.
  closeSync(log);
  const exited = once(child, 'exit').then(([code, signal]): Exit => ({ code, signal }));
  // A process that cannot be started at all rejects both; the first is the one that is reported.
  exited.catch(() => undefined);
  await once(child, 'spawn');
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${spec.title} has no process id`);
  return { spec, pid, exited, stop: () => stop(pid, exited, spec), kill: (signal) => signalTo(pid, signal) };
};

async function stop(pid: number, exited: Promise<Exit>, spec: ProcessSpec): Promise<Exit> {
  signalTo(pid, spec.stopSignal);
  const giveUp = new AbortController();
  const exit = await Promise.race([
    exited,
    sleep(spec.stopSeconds * 1000, undefined, { signal: giveUp.signal, ref: false }).catch(() => undefined),
  ]);
  giveUp.abort();
  if (exit) return exit;
  signalTo(-pid, 'SIGKILL');
  return exited;
}

/** A process that is already gone is what every caller wants. */
export function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')) throw cause;
  }
}

/** The log of the run before is kept beside it, so that logs do not grow for ever and the last crash can be read. */
function freshLog(file: string): number {
  if (existsSync(file)) renameSync(file, `${file}.previous`);
  return openSync(file, 'a', 0o600);
}

const tailBytes = 16_384;

/** Without the lines of a stack: they are for whoever opens the log. */
export function lastLines(file: string, count: number): string {
  const log = openSync(file, 'r');
  const { size } = fstatSync(log);
  const tail = Buffer.alloc(Math.min(size, tailBytes));
  readSync(log, tail, 0, tail.length, size - tail.length);
  closeSync(log);
  const lines = tail.toString('utf8').trimEnd().split('\n');
  return lines
    .filter((line) => !/^\s+at /.test(line))
    .slice(-count)
    .join('\n');
}

/** Why a process ended that should have gone on, as far as its log tells. */
export function endedByItself(spec: ProcessSpec, exit: Exit): PlainError {
  const tail = lastLines(spec.logFile, 8);
  const how = exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`;
  const full = fullDiskSentence(tail, spec.logFile);
  if (full) return new PlainError(`${spec.title} ${how}. ${full}`);
  const said = tail
    ? `Its last lines (${spec.logFile}):\n${tail.replaceAll(/^/gm, '  | ')}`
    : 'It logged nothing.';
  return new PlainError(`${spec.title} ${how}. ${said}`);
}

/** Waits until the process can be used; that it ended instead, or took too long, is told in one sentence. */
export async function untilReady(
  running: Running,
  ready: () => Promise<boolean>,
  seconds: number,
): Promise<void> {
  let ended: Exit | undefined;
  const { spec } = running;
  running.exited.then((exit) => {
    ended = exit;
  });
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const isReady = await ready();
    // Asked last: on a port that was taken it is somebody else who answers.
    if (ended) throw endedByItself(spec, ended);
    if (isReady) return;
    if (Date.now() > deadline) {
      await running.stop();
      throw new PlainError(`${spec.title} was not ready after ${seconds} seconds; see ${spec.logFile}.`);
    }
    await sleep(50);
  }
}
