import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { type Config, loadConfig } from '../../config.ts';
import { freePort } from './equipment.ts';

/**
 * An installation of Freehold of its own: three databases cloned from the migrated templates and, when it runs
 * workers of its own, a Temporal namespace that no other worker polls. test/run.ts hands the equipment down as JSON.
 */
export type Handed = {
  postgres: { eu: string; us: string };
  temporalAddress: string;
  mailbox: { port: number; directory: string };
  rootKey: string;
  demoModels: string;
  /** The installation with API and workers running that all HTTP tests share. */
  shared: { url: string; operatorKey: string; settings: Settings; logs: string[] };
  /** Of everything the servers keep: data, write-ahead logs, logs, mails. */
  directory: string;
};

export type Settings = Record<string, string>;

export function handed(): Handed {
  const text = process.env.FREEHOLD_TEST;
  if (!text) throw new Error('Run the tests with: npm test (one file: npm test -- test/api/agents.test.ts)');
  return JSON.parse(text) as Handed; // written by test/run.ts a moment ago
}

type Given = Pick<Handed, 'postgres' | 'temporalAddress' | 'mailbox' | 'rootKey' | 'demoModels'>;

export const templates = { system: 'template_system', eu: 'template_eu', us: 'template_us' };

/** Of a Temporal UI that is not there: what a browser says when its pages ask. */
export const temporalUiOrigin = 'http://127.0.0.1:8233';

export async function settingsFor(
  given: Given,
  databases: typeof templates,
  namespace: string,
): Promise<Settings> {
  const [port, metricsPort, workerMetricsPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const publicUrl = `http://127.0.0.1:${port}`;
  const urlOf = (region: 'eu' | 'us', name: string) =>
    Object.assign(new URL(given.postgres[region]), { pathname: `/${name}` }).href;
  const region = (name: 'eu' | 'us') => ({
    name,
    group: name.toUpperCase(),
    temporalNamespace: `${namespace}-${name}`,
    publicUrl,
    cells: [{ name: `${name}-1`, url: urlOf(name, databases[name]), capacity: 2000 }],
  });
  return {
    FREEHOLD_REGIONS: JSON.stringify([region('eu'), region('us')]),
    FREEHOLD_SYSTEM_DATABASE_URL: urlOf('eu', databases.system),
    FREEHOLD_ROOT_KEY: given.rootKey,
    FREEHOLD_TEMPORAL_ADDRESS: given.temporalAddress,
    FREEHOLD_TEMPORAL_NAMESPACE: namespace,
    FREEHOLD_TEMPORAL_UI_ORIGINS: temporalUiOrigin,
    FREEHOLD_HTTP_PORT: String(port),
    FREEHOLD_METRICS_PORT: String(metricsPort),
    FREEHOLD_WORKER_METRICS_PORT: String(workerMetricsPort),
    FREEHOLD_PUBLIC_URL: publicUrl,
    FREEHOLD_SMTP_URL: `smtp://127.0.0.1:${given.mailbox.port}`,
    FREEHOLD_MAILBOX_DIR: given.mailbox.directory,
    FREEHOLD_USAGE_JOURNAL_DIR: join(given.mailbox.directory, '..', 'usage-journal', databases.system),
    FREEHOLD_ANONYMOUS_PER_MINUTE: '100000',
    // Short, so that a test sees a key that was taken away be out of use.
    FREEHOLD_KEY_CACHE_SECONDS: '2',
    // The servers of the tests are on this address; of all the others that are not public, none may be reached.
    FREEHOLD_EGRESS_PRIVATE: '127.0.0.1/32',
    FREEHOLD_DEMO_MODELS_URL: given.demoModels,
    FREEHOLD_LOG_LEVEL: 'warn',
    // No test asks the network who it is.
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

/** Databases of one's own, cloned in about 100 ms each from the templates. */
export async function ownSettings(given: Given, namespace: string): Promise<Settings> {
  const suffix = randomBytes(4).toString('hex');
  const names = { system: `system_${suffix}`, eu: `eu_${suffix}`, us: `us_${suffix}` };
  await clone(given.postgres.eu, templates.system, names.system);
  await clone(given.postgres.eu, templates.eu, names.eu);
  await clone(given.postgres.us, templates.us, names.us);
  return settingsFor(given, names, namespace);
}

async function clone(url: string, template: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    // A template gives its content, not its walls: who may connect, and make temporary tables.
    await client.query(
      'UPDATE pg_database SET datacl = (SELECT datacl FROM pg_database WHERE datname = $1) WHERE datname = $2',
      [template, name],
    );
  } finally {
    await client.end();
  }
}

export async function createDatabases({ postgres }: Given, databases: typeof templates): Promise<void> {
  await clone(postgres.eu, 'template1', databases.system);
  await clone(postgres.eu, 'template1', databases.eu);
  await clone(postgres.us, 'template1', databases.us);
}

/** For tests that call models and workers in their own process. */
export async function ownConfig(namespace = `test-${randomBytes(4).toString('hex')}`): Promise<Config> {
  return loadConfig(await ownSettings(handed(), namespace));
}
