import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment, nodeFlags } from '../../deploy/process-settings.ts';
import type { Settings } from './environment.ts';

/** Freehold's own processes, started as in a deployment: main.ts and its settings. */
const main = fileURLToPath(new URL('../../main.ts', import.meta.url));
const readyMs = 60_000;

export type Running = {
  process: ChildProcess;
  log: () => string;
  logFile: string;
  stop: (signal?: NodeJS.Signals) => Promise<void>;
};

function launch(command: string[], settings: Settings, logFile: string): Running {
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [...nodeFlags, main, ...command], {
    env: { ...process.env, ...nodeEnvironment, ...settings },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    process: child,
    log: () => readFileSync(logFile, 'utf8'),
    logFile,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
    },
  };
}

export async function runMain(command: string[], settings: Settings): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'freehold-'));
  const running = launch(command, settings, join(directory, 'log'));
  await new Promise<void>((resolve) => running.process.once('exit', () => resolve()));
  if (running.process.exitCode !== 0)
    throw new Error(`main.ts ${command.join(' ')} failed:\n${running.log()}`);
}

export async function startApi(settings: Settings, ready = true): Promise<Running> {
  return startCommand(
    'api',
    settings,
    `http://127.0.0.1:${settings.FREEHOLD_HTTP_PORT}/${ready ? 'readyz' : 'healthz'}`,
  );
}

export async function startWorker(settings: Settings): Promise<Running> {
  return startCommand('worker', settings, `http://127.0.0.1:${settings.FREEHOLD_WORKER_METRICS_PORT}/readyz`);
}

async function startCommand(name: string, settings: Settings, url: string): Promise<Running> {
  const directory = await mkdtemp(join(tmpdir(), 'freehold-'));
  const running = launch([name], settings, join(directory, 'log'));
  const deadline = Date.now() + readyMs;
  while (!(await answers(url))) {
    if (running.process.exitCode !== null || Date.now() > deadline) {
      await running.stop('SIGKILL');
      throw new Error(`main.ts ${name} did not become ready:\n${running.log()}`);
    }
    await pause(50);
  }
  return running;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

export async function operatorKey(settings: Settings): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'freehold-'));
  const file = join(directory, 'key');
  await runMain(['operator-key', '--out', file], settings);
  return (await readFile(file, 'utf8')).trim();
}
