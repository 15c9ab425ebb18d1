import { rm } from 'node:fs/promises';
import { onboardExamples } from './demo.ts';
import { startDemoModels } from './demo-models.ts';
import { type Display, step } from './display.ts';
import { temporalAddress } from './environment.ts';
import type { Guard } from './guard-channel.ts';
import { ensureRootKey, type Home } from './home.ts';
import { stopLeftover } from './leftovers.ts';
import { startMailbox } from './mailbox.ts';
import { assertFree, type Ports } from './ports.ts';
import {
  ensureDatabase,
  commandPartOf as postgresPart,
  type RunningPostgres,
  startPostgres,
} from './postgres.ts';
import { endedByItself, type Running } from './processes.ts';
import {
  type Databases,
  ensureOperatorKey,
  type Product,
  readOperatorKey,
  runCommand,
  settingsFor,
  startCommand,
} from './product.ts';
import { summary, writeEndpoints } from './summary.ts';
import { findTemporal, startTemporal, commandPartOf as temporalPart } from './temporal-server.ts';

export type Run = {
  home: Home;
  ports: Ports;
  demo: boolean;
  guard: Guard;
  display: Display;
  /** Told when a process ends that should have gone on. */
  fallen: (why: Error) => void;
};

type Temporal = { address: string; own: boolean };

/** From an empty folder, or from what the last run left, to a running Freehold. */
export async function boot(run: Run): Promise<void> {
  const { home, ports, guard, display } = run;
  await rm(home.endpoints, { force: true });
  await stopLeftovers(home);
  // After a run that was killed, its API and worker may be just closing: they end themselves, but not at once.
  await assertFree(ports, temporalAddress === undefined, guard.unclean ? 15 : 0);
  await ensureRootKey(home);
  display.say(`Freehold starts in ${home.directory}`);
  const [databases, temporal] = await Promise.all([startDatabases(run), startOrFindTemporal(run)]);
  await startMailbox(ports.mailbox, home.mail);
  await startDemoModels(ports.demoModels);
  const settings = settingsFor(home, ports, databases, temporal.address);
  await startProduct(run, { home, settings, launch: guard.launch });
  const endpoints = await writeEndpoints(home, ports, databases, temporal);
  const readySeconds = performance.now() / 1000;
  display.settle();
  const key = await readOperatorKey(home);
  if (run.demo) await onboardExamples({ url: endpoints.api, key }, home, display);
  display.say(summary(home, endpoints, key, readySeconds));
}

/** For when the guard was killed as well: nothing but these two goes on without it. */
export async function stopLeftovers(home: Home): Promise<void> {
  await stopLeftover(temporalPart(home.temporal), 'SIGTERM');
  for (const region of ['eu', 'us']) await stopLeftover(postgresPart(home.postgres(region)), 'SIGINT');
}

async function startDatabases(run: Run): Promise<Databases> {
  const [eu, us] = await Promise.all([
    startRegion(run, 'eu', run.ports.postgresEu, ['freehold_system', 'freehold_eu_1']),
    startRegion(run, 'us', run.ports.postgresUs, ['freehold_us_1']),
  ]);
  return {
    system: eu.urlOf('freehold_system'),
    'eu-1': eu.urlOf('freehold_eu_1'),
    'us-1': us.urlOf('freehold_us_1'),
  };
}

function startRegion(
  run: Run,
  name: 'eu' | 'us',
  port: number,
  databases: string[],
): Promise<RunningPostgres> {
  const { home, guard, display } = run;
  return step(display, `Postgres ${name}, port ${port}`, async () => {
    const cluster = { name, directory: home.postgres(name), port, logFile: home.log(`postgres-${name}`) };
    const postgres = await startPostgres(cluster, guard.launch);
    watch(run, postgres);
    for (const database of databases) await ensureDatabase(postgres, database);
    return postgres;
  });
}

async function startOrFindTemporal(run: Run): Promise<Temporal> {
  const { home, ports, guard, display } = run;
  const found = await findTemporal((sentence) => display.say(`  ${sentence}`), guard.launch);
  if ('address' in found) return { address: found.address, own: false };
  return step(display, `Temporal server, port ${ports.temporal}, UI ${ports.temporalUi}`, async () => {
    const server = await startTemporal(
      {
        binary: found.binary,
        ports: {
          grpc: ports.temporal,
          http: ports.temporalHttp,
          metrics: ports.temporalMetrics,
          ui: ports.temporalUi,
        },
        codecEndpoint: `http://127.0.0.1:${ports.api}/v1/codec`,
        dbFile: home.temporal,
        logFile: home.log('temporal'),
      },
      guard.launch,
    );
    watch(run, server);
    return { address: server.address, own: true };
  });
}

async function startProduct(run: Run, product: Product): Promise<void> {
  const { ports, display } = run;
  await step(display, 'Databases and Temporal namespaces brought up to date', () =>
    runCommand(product, 'Bringing the databases up to date', ['migrate']),
  );
  const start = (title: string, name: string, port: number) =>
    step(display, `${title}, port ${port}`, async () =>
      watch(run, await startCommand(product, title, name, port)),
    );
  await Promise.all([
    start('The worker', 'worker', ports.workerMetrics),
    start('The API', 'api', ports.api),
    step(display, "The operator's key", () => ensureOperatorKey(product)),
  ]);
}

function watch({ fallen }: Run, { spec, exited }: Running): void {
  exited.then((exit) => fallen(endedByItself(spec, exit)));
}
