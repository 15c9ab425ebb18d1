import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Holder } from './folder-lock.ts';
import { PlainError } from './plain-error.ts';
import type { Exit, Launch, ProcessSpec, Running } from './processes.ts';

export type Order =
  | { order: 'launch'; id: number; spec: ProcessSpec }
  | { order: 'stop'; id: number }
  | { order: 'kill'; id: number; signal: NodeJS.Signals }
  | { order: 'stopAll' };

export type Report =
  | { told: 'locked'; unclean: boolean }
  | { told: 'busy'; holder: Holder | undefined }
  | { told: 'launched'; id: number; pid: number }
  | { told: 'notLaunched'; id: number; reason: string }
  | { told: 'exited'; id: number; exit: Exit };

export type Guard = {
  /** As launchHere, but the process is a child of the guard and is stopped when we are gone. */
  launch: Launch;
  /** Stops everything that was launched, the newest first. */
  stopAll(): Promise<void>;
  ended: Promise<void>;
  /** Set when `lock` was wanted and the folder is somebody else's. */
  busy?: { holder: Holder | undefined };
  /** The run before did not end in order: its processes may still be there. */
  unclean: boolean;
};

type Call = { launched: PromiseWithResolvers<number>; exited: PromiseWithResolvers<Exit> };

/** With `lock`, the guard also holds the folder's lock for as long as anything of this run lives. */
export async function startGuard(logFile: string, lock?: { home: string; holder: Holder }): Promise<Guard> {
  const guard = forkGuard(logFile, lock ? [lock.home, JSON.stringify(lock.holder)] : []);
  const calls = new Map<number, Call>();
  const answered = Promise.withResolvers<Extract<Report, { told: 'locked' | 'busy' }>>();
  const ended = once(guard, 'exit').then(() => {
    const gone = new PlainError(`The guard process ended; its log is ${logFile}.`);
    answered.reject(gone);
    for (const { launched } of calls.values()) launched.reject(gone);
  });
  guard.on('message', (message) => {
    // Only guard.ts has the other end.
    const report = message as Report;
    if (report.told === 'locked' || report.told === 'busy') answered.resolve(report);
    else settle(calls.get(report.id), report);
  });
  const send = (order: Order) => {
    // An order that no longer arrives has been overtaken: the guard is ending, and stops everything anyway.
    if (guard.connected) guard.send(order, () => undefined);
  };
  const answer = await answered.promise;
  return {
    launch: (spec) => launchBy(send, calls, spec),
    stopAll: () => {
      send({ order: 'stopAll' });
      return ended;
    },
    ended,
    unclean: answer.told === 'locked' && answer.unclean,
    ...(answer.told === 'busy' && { busy: { holder: answer.holder } }),
  };
}

function forkGuard(logFile: string, args: string[]): ChildProcess {
  const log = openSync(logFile, 'a', 0o600);
  const guard = fork(fileURLToPath(new URL('guard.ts', import.meta.url)), args, {
    // A session of its own: neither Ctrl-C nor a closed terminal reaches it; the closing channel does.
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  closeSync(log);
  return guard;
}

async function launchBy(
  send: (order: Order) => void,
  calls: Map<number, Call>,
  spec: ProcessSpec,
): Promise<Running> {
  const id = calls.size;
  const call: Call = { launched: Promise.withResolvers(), exited: Promise.withResolvers() };
  calls.set(id, call);
  send({ order: 'launch', id, spec });
  const pid = await call.launched.promise;
  const exited = call.exited.promise;
  return {
    spec,
    pid,
    exited,
    stop: () => {
      send({ order: 'stop', id });
      return exited;
    },
    kill: (signal) => send({ order: 'kill', id, signal }),
  };
}

function settle(call: Call | undefined, report: Exclude<Report, { told: 'locked' | 'busy' }>): void {
  if (report.told === 'launched') call?.launched.resolve(report.pid);
  else if (report.told === 'notLaunched') call?.launched.reject(new Error(report.reason));
  else call?.exited.resolve(report.exit);
}
