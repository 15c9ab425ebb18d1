import { writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { inspect, parseArgs } from 'node:util';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { serveMetrics } from './metrics-server.ts';
import { closeDatabases, useConfig } from './models/databases.ts';
import { log } from './telemetry.ts';
import { closeTemporal } from './temporal/client.ts';

/**
 * The one entry point of every process; what each command does is in docs/operations.md. Each loads only what it
 * needs: together the parts take a second to load.
 */
const usage = `Usage: node main.ts <command>

  migrate                  bring databases and Temporal to what this version needs
  operator-key --out FILE  make a key with every platform right
  api | worker | all       run the API, the workers, or both, until SIGTERM

Settings come from the environment: docs/configuration.md.`;

const exitUsage = 64;
const exitConfiguration = 78;
const drainMs = 25_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const complain = (line: string) => process.stderr.write(`${line}\n`);

type Running = { stop: () => Promise<void>; ended?: Promise<void> };

async function migrateAll(config: Config): Promise<void> {
  const { migrate } = await import('./models/migrate.ts');
  const { ensureNamespaces } = await import('./temporal/namespaces.ts');
  const { ensureSchedules } = await import('./temporal/schedules.ts');
  await migrate(say);
  try {
    await ensureNamespaces(config, say);
    await ensureSchedules(config, say);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The databases are ready, but Temporal at ${config.temporal.address} is not: ${why}`, {
      cause,
    });
  }
}

async function writeOperatorKey(out: string | undefined): Promise<void> {
  if (!out) throw new Usage('operator-key needs --out FILE');
  const { createOperatorKey } = await import('./models/system-tenant.ts');
  writeFileSync(out, `${await createOperatorKey('operator-key command')}\n`, { mode: 0o600 });
  say(`operator key written to ${out}`);
}

async function runApi(config: Config): Promise<Running> {
  const { createApp } = await import('./api/app.ts');
  const { endStreams } = await import('./api/event-stream.ts');
  const { host, port, metricsPort } = config.http;
  const metrics = await serveMetrics(host, metricsPort, () => true);
  const server = createApp().listen(port, host);
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  log.info({ url: config.publicUrl }, 'the API listens');
  return {
    stop: () => {
      endStreams();
      return drain([server, metrics]);
    },
  };
}

/** No new connection, no idle one; requests in flight are answered before this resolves. */
async function drain(servers: Server[]): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
  // Again and again: a connection that has just had its answer would stay open for its keep-alive time.
  const tidy = setInterval(() => servers.forEach((server) => void server.closeIdleConnections()), 50);
  const forced = setTimeout(() => servers.forEach((server) => void server.closeAllConnections()), drainMs);
  await Promise.all(closed);
  clearInterval(tidy);
  clearTimeout(forced);
}

async function runWorker(config: Config): Promise<Running> {
  const { runWorkers } = await import('./temporal/worker.ts');
  let ready = false;
  const metrics = await serveMetrics(config.http.host, config.http.workerMetricsPort, () => ready);
  const workers = await runWorkers(config);
  void workers.ready.then(
    () => {
      ready = true;
      log.info({ regions: config.serves }, 'the workers poll');
    },
    () => {},
  );
  return {
    ended: workers.ended,
    stop: async () => {
      await workers.shutdown();
      await drain([metrics]);
    },
  };
}

async function run(command: string, config: Config): Promise<void> {
  log.level = config.logLevel;
  const { whenTold } = await import('./models/tenant/told.ts');
  whenTold((await import('./temporal/told.ts')).wakeTold);
  const { closeJournal, openJournal } = await import('./models/usage-journal.ts');
  openJournal(config.usageJournalDirectory);
  const parts: Running[] = [];
  if (command !== 'api') parts.push(await runWorker(config));
  if (command !== 'worker') parts.push(await runApi(config));
  await Promise.race([stopAsked(), ...parts.flatMap((part) => part.ended ?? [])]);
  await Promise.all(parts.map((part) => part.stop()));
  await closeJournal();
}

/** By signal, or because the parent that holds the other end of our IPC channel is gone. */
function stopAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(event, () => resolve());
  });
}

class Usage extends Error {}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
  const [command = ''] = positionals;
  if (!['migrate', 'operator-key', 'api', 'worker', 'all'].includes(command))
    throw new Usage('say what to do');
  const config = loadConfig();
  useConfig(config);
  try {
    if (command === 'migrate') await migrateAll(config);
    else if (command === 'operator-key') await writeOperatorKey(values.out);
    else await run(command, config);
  } finally {
    await Promise.all([closeDatabases(), closeTemporal()]);
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const code = error instanceof ConfigError ? exitConfiguration : error instanceof Usage ? exitUsage : 1;
  complain(code === 1 ? inspect(error) : String(error instanceof Error ? error.message : error));
  if (code === exitUsage) complain(usage);
  process.exit(code);
}
