import { inherited } from './environment.ts';
import { answersOk } from './http-ready.ts';
import { type Launch, launchHere, type ProcessSpec, type Running, untilReady } from './processes.ts';

export { findTemporal } from './temporal-binary.ts';

/** A real Temporal server (the CLI's), on loopback. Without `dbFile` it keeps everything in memory and forgets it. */
export type TemporalServer = {
  binary: string;
  /** Without `ui` there is no web interface. All are named: the server would otherwise take any free port. */
  ports: { grpc: number; http: number; metrics: number; ui?: number };
  /** Where the web interface has sealed payloads opened, unless somebody says otherwise in it. */
  codecEndpoint?: string;
  dbFile?: string;
  logFile: string;
  namespaces?: string[];
};

export type RunningTemporal = Running & { address: string };

/**
 * Measured (recipes for our Temporal toolchain): the poll rates' default of 20 per shard adds 50 ms to every task, and
 * fairness between tenants needs one partition per queue, or small tenants still wait behind big ones.
 */
const dynamicConfig = {
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxPollRPS': 2000,
  'history.visibilityProcessorMaxPollRPS': 2000,
};

/** Without these SQLite's default journal allows 7 workflows a second instead of 55. */
const sqlitePragmas = ['journal_mode=WAL', 'synchronous=NORMAL'];

const defaultNamespaces = ['freehold', 'freehold-eu', 'freehold-us'];

export async function startTemporal(
  server: TemporalServer,
  launch: Launch = launchHere,
): Promise<RunningTemporal> {
  const running = await launch(specOf(server));
  await untilReady(running, () => serves(server), 30);
  return { ...running, address: `127.0.0.1:${server.ports.grpc}` };
}

/** By this part of its command line a server that works on this file is known. */
export function commandPartOf(dbFile: string): string {
  return `--db-filename ${dbFile} `;
}

function specOf(server: TemporalServer): ProcessSpec {
  return {
    title: 'The Temporal server',
    command: server.binary,
    args: ['server', 'start-dev', ...flagsOf(server)],
    env: inherited,
    logFile: server.logFile,
    stopSignal: 'SIGTERM',
    stopSeconds: 10,
  };
}

function flagsOf({ ports, codecEndpoint, dbFile, namespaces = defaultNamespaces }: TemporalServer): string[] {
  const each = (flag: string, values: string[]) => values.flatMap((value) => [flag, value]);
  return [
    ...['--ip', '127.0.0.1', '--port', `${ports.grpc}`, '--http-port', `${ports.http}`],
    ...['--metrics-port', `${ports.metrics}`, '--log-level', 'error'],
    ...(ports.ui === undefined ? ['--headless'] : ['--ui-port', `${ports.ui}`]),
    ...(codecEndpoint ? ['--ui-codec-endpoint', codecEndpoint] : []),
    ...(dbFile ? ['--db-filename', dbFile, ...each('--sqlite-pragma', sqlitePragmas)] : []),
    ...each(
      '--dynamic-config-value',
      Object.entries(dynamicConfig).map(([key, value]) => `${key}=${value}`),
    ),
    ...each('--namespace', namespaces),
    ...each('--search-attribute', ['tenantId=Keyword', 'region=Keyword']),
  ];
}

/** An open port is not enough: the frontend answers before its namespaces can be used. */
async function serves({ ports, namespaces = defaultNamespaces }: TemporalServer): Promise<boolean> {
  const answers = await Promise.all(
    namespaces.map((name) => answersOk(`http://127.0.0.1:${ports.http}/api/v1/namespaces/${name}`)),
  );
  return answers.every(Boolean);
}
