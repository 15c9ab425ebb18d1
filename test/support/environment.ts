import { randomBytes } from 'node:crypto';
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
  /** The installation with API and workers running that all HTTP tests share. */
  shared: { url: string; operatorKey: string; settings: Settings };
};

export type Settings = Record<string, string>;

export function handed(): Handed {
  const text = process.env.FREEHOLD_TEST;
  if (!text) throw new Error('Run the tests with: npm test (one file: npm test -- test/api/agents.test.ts)');
  return JSON.parse(text) as Handed; // written by test/run.ts a moment ago
}

type Given = Pick<Handed, 'postgres' | 'temporalAddress' | 'mailbox' | 'rootKey'>;

export const templates = { system: 'template_system', eu: 'template_eu', us: 'template_us' };

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
    temporalNamespace: `freehold-${name}`,
    publicUrl,
    cells: [{ name: `${name}-1`, url: urlOf(name, databases[name]), capacity: 2000 }],
  });
  return {
    FREEHOLD_REGIONS: JSON.stringify([region('eu'), region('us')]),
    FREEHOLD_SYSTEM_DATABASE_URL: urlOf('eu', databases.system),
    FREEHOLD_ROOT_KEY: given.rootKey,
    FREEHOLD_TEMPORAL_ADDRESS: given.temporalAddress,
    FREEHOLD_TEMPORAL_NAMESPACE: namespace,
    FREEHOLD_HTTP_PORT: String(port),
    FREEHOLD_METRICS_PORT: String(metricsPort),
    FREEHOLD_WORKER_METRICS_PORT: String(workerMetricsPort),
    FREEHOLD_PUBLIC_URL: publicUrl,
    FREEHOLD_SMTP_URL: `smtp://127.0.0.1:${given.mailbox.port}`,
    FREEHOLD_MAILBOX_DIR: given.mailbox.directory,
    FREEHOLD_ANONYMOUS_PER_MINUTE: '100000',
    FREEHOLD_LOG_LEVEL: 'warn',
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
