import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment, nodeFlags } from '../process-settings.ts';
import { inherited } from './environment.ts';
import type { Home } from './home.ts';
import { answersOk } from './http-ready.ts';
import type { Ports } from './ports.ts';
import { endedByItself, type Launch, type ProcessSpec, type Running, untilReady } from './processes.ts';

/** Administrators' URLs by the names of the cells, and the system database's. */
export type Databases = { system: string; 'eu-1': string; 'us-1': string };

/** The product itself, started exactly as in a real deployment: main.ts and its settings, nothing else. */
export type Product = { home: Home; settings: Record<string, string>; launch: Launch };

const main = fileURLToPath(new URL('../../main.ts', import.meta.url));

export function settingsFor(
  home: Home,
  ports: Ports,
  databases: Databases,
  temporalAddress: string,
  egressPrivate = inherited.FREEHOLD_EGRESS_PRIVATE,
): Record<string, string> {
  const publicUrl = `http://127.0.0.1:${ports.api}`;
  const region = (name: 'eu' | 'us') => ({
    name,
    group: name.toUpperCase(),
    temporalNamespace: `freehold-${name}`,
    publicUrl,
    cells: [{ name: `${name}-1`, url: databases[`${name}-1`], capacity: 2000 }],
  });
  return {
    FREEHOLD_REGIONS: JSON.stringify([region('eu'), region('us')]),
    FREEHOLD_HOME_REGION: 'eu',
    FREEHOLD_SYSTEM_DATABASE_URL: databases.system,
    FREEHOLD_TEMPORAL_ADDRESS: temporalAddress,
    FREEHOLD_TEMPORAL_UI_ORIGINS: `http://127.0.0.1:${ports.temporalUi}`,
    FREEHOLD_ROOT_KEY_FILE: home.rootKey,
    FREEHOLD_HTTP_HOST: '127.0.0.1',
    FREEHOLD_HTTP_PORT: String(ports.api),
    FREEHOLD_METRICS_PORT: String(ports.apiMetrics),
    FREEHOLD_WORKER_METRICS_PORT: String(ports.workerMetrics),
    FREEHOLD_PUBLIC_URL: publicUrl,
    FREEHOLD_SMTP_URL: `smtp://127.0.0.1:${ports.mailbox}`,
    FREEHOLD_MAILBOX_DIR: home.mail,
    FREEHOLD_USAGE_JOURNAL_DIR: home.usageJournal,
    FREEHOLD_DEMO_MODELS_URL: demoModelsUrl(ports),
    // What the terminal lists beside the demo server stays: a tool of one's own can be tried.
    FREEHOLD_EGRESS_PRIVATE: [`127.0.0.1:${ports.demoModels}`, egressPrivate].filter(Boolean).join(','),
  };
}

export const demoModelsUrl = (ports: Ports): string => `http://127.0.0.1:${ports.demoModels}/v1`;

/** Runs a command of main.ts to its end; what it prints is its log. */
export async function runCommand(product: Product, title: string, args: string[]): Promise<void> {
  const spec = specOf(product, title, args);
  const { exited } = await product.launch(spec);
  const exit = await exited;
  if (exit.code !== 0) throw endedByItself(spec, exit);
}

/** Starts a long-running command of main.ts and waits until it says that it is ready. */
export async function startCommand(
  product: Product,
  title: string,
  name: string,
  readyPort: number,
): Promise<Running> {
  const running = await product.launch({ ...specOf(product, title, [name]), channel: true });
  await untilReady(running, () => answersOk(`http://127.0.0.1:${readyPort}/readyz`), 60);
  return running;
}

/** Made at the first start, and again if its file was taken away. */
export async function ensureOperatorKey(product: Product): Promise<void> {
  const { operatorKey } = product.home;
  if (existsSync(operatorKey)) return;
  await runCommand(product, "Making the operator's key", [
    'operator-key',
    '--out',
    `${operatorKey}.unfinished`,
  ]);
  await rename(`${operatorKey}.unfinished`, operatorKey);
}

export async function readOperatorKey({ operatorKey }: Home): Promise<string> {
  return (await readFile(operatorKey, 'utf8')).trim();
}

function specOf({ home, settings }: Product, title: string, args: string[]): ProcessSpec {
  return {
    title,
    command: process.execPath,
    args: [...nodeFlags, main, ...args],
    // Every process of the product loads the same code: compiled once, each starts 0.3 s sooner.
    env: { NODE_COMPILE_CACHE: home.compileCache, ...nodeEnvironment, ...inherited, ...settings },
    logFile: home.log(args[0] ?? 'main'),
    stopSignal: 'SIGTERM',
    // In-flight work finishes first; the worker's own grace is shorter than this.
    stopSeconds: 30,
  };
}
