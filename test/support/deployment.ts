import { randomBytes } from 'node:crypto';
import { type Caller, callerOf } from './client.ts';
import { handed, ownSettings, type Settings } from './environment.ts';
import {
  operatorKey as newOperatorKey,
  type Running,
  runMain,
  startApi,
  startWorker,
} from './installation.ts';
import type { Installed } from './tenants.ts';

/** Freehold of a test's own: its processes are stopped, killed and started again without anybody else noticing. */
export type Deployment = Installed & {
  settings: Settings;
  operator: Caller;
  /** `more` is added to the settings of this one process. */
  api(more?: Settings): Promise<Running>;
  worker(more?: Settings): Promise<Running>;
  stop(): Promise<void>;
};

export async function deploy(settings: Settings): Promise<Deployment> {
  await runMain(['migrate'], settings);
  const operatorKey = await newOperatorKey(settings);
  const url = settings.FREEHOLD_PUBLIC_URL ?? '';
  const started: Running[] = [];
  const kept = async (starting: Promise<Running>) => {
    const running = await starting;
    started.push(running);
    return running;
  };
  return {
    settings,
    url,
    operatorKey,
    operator: callerOf(operatorKey, url),
    api: (more = {}) => kept(startApi({ ...settings, ...more })),
    worker: (more = {}) => kept(startWorker({ ...settings, ...more })),
    stop: async () => {
      await Promise.all(started.map((running) => running.stop('SIGKILL')));
    },
  };
}

/** On the Postgres clusters and the Temporal server that all tests share: for tests that leave those alone. */
export async function deployBeside(more: Settings = {}): Promise<Deployment> {
  return deploy({ ...(await ownSettings(handed(), ownNamespace())), ...more });
}

/** A Temporal namespace that no other worker polls. */
export const ownNamespace = (): string => `faults-${randomBytes(4).toString('hex')}`;

export function databasesOf(settings: Settings): { system: string; eu: string; us: string } {
  const regions = JSON.parse(settings.FREEHOLD_REGIONS ?? '[]') as {
    name: string;
    cells: { url: string }[];
  }[];
  const cellOf = (name: string) => regions.find((region) => region.name === name)?.cells[0]?.url ?? '';
  return { system: settings.FREEHOLD_SYSTEM_DATABASE_URL ?? '', eu: cellOf('eu'), us: cellOf('us') };
}
