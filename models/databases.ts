import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { type Options, Sequelize } from 'sequelize';
import { type CellConfig, type Config, loadConfig } from '../config.ts';
import { log } from '../telemetry.ts';
import { PatientClient } from './patient-client.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';
import { derive } from './secrets.ts';

/**
 * Every connection there is, made when first needed. Three kinds of login, none a superuser or owner:
 * `freehold_system` for the shared tables, `freehold_platform` for what Freehold keeps beside a cell's tenants, and
 * a few `fh_<cell>_<n>` that may become tenants (each a member of at most 500 tenant roles). Their passwords derive
 * from the root key. The administrator of the URL makes roles and schemas and is used for nothing else.
 */
export const rolesPerLogin = 500;

let configured: Config | undefined;
export function config(): Config {
  configured ??= loadConfig();
  return configured;
}

/** For tests and benches that run several configurations in one process. */
export function useConfig(given: Config): void {
  configured = given;
  urls.clear();
}

export function cellOf(name: string): CellConfig {
  const cell = config()
    .regions.flatMap((region) => region.cells)
    .find((each) => each.name === name);
  if (!cell) throw new Error(`cell ${name} is not in FREEHOLD_REGIONS of this process`);
  return cell;
}

export function loginName(cell: string, number: number): string {
  return `fh_${cell.replaceAll('-', '_')}_${String(number).padStart(2, '0')}`;
}

export function loginPassword(login: string): string {
  return derive(config().rootKey, `login/${login}`).toString('base64url');
}

const urls = new Map<string, string>();

/** Kept, because every read asks for one, and deriving the password takes as long as the read itself. */
function urlFor(adminUrl: string, login: string): string {
  const name = `${login} ${adminUrl}`;
  const known = urls.get(name);
  if (known) return known;
  const url = new URL(adminUrl);
  url.username = login;
  url.password = loginPassword(login);
  urls.set(name, url.href);
  return url.href;
}

const connectTimeoutMs = 5_000;
const idleMs = 30_000;
// A backend keeps memory for every table it touched; a connection is replaced before that adds up.
const poolCommon = { connectionTimeoutMillis: connectTimeoutMs, idleTimeoutMillis: idleMs, maxUses: 20_000 };

// What one statement may take; a server that is silent for longer is given up (patient-client.ts). A write may wait
// for the lock of another one for the 10 s of lock_timeout; more than 20 s nobody waits for an answer over HTTP.
const readMs = 8_000;
const writeMs = 11_000;

const pools = new Map<string, pg.Pool>();

function pool(connectionString: string, max: number, more: pg.PoolConfig = {}): pg.Pool {
  const known = pools.get(connectionString);
  if (known) return known;
  const made = new pg.Pool({ connectionString, max, application_name: 'freehold', ...poolCommon, ...more });
  // Without a listener an idle connection that dies would end the process.
  made.on('error', (error) => log.warn({ error: error.message }, 'an idle database connection was lost'));
  // Nor may one that is taken out: what was asked of it fails by itself, and the pool listens only while it is in.
  made.on('connect', (client) => client.on('error', () => {}));
  pools.set(connectionString, made);
  return made;
}

export const systemAdministrator = () => pool(config().systemUrl, 2);
export const cellAdministrator = (cell: string) => pool(cellOf(cell).url, 4);
// Asked while locks on shared rows are held, so a server that hangs must not hold them up for long.
const platformPatience = { query_timeout: 4_000 };
export const cellPlatform = (cell: string) =>
  pool(urlFor(cellOf(cell).url, 'freehold_platform'), 4, platformPatience);
export const tenantReaders = (cell: string, login: number) =>
  pipeline(urlFor(cellOf(cell).url, loginName(cell, login)), 6);
export const systemReaders = () => pipeline(urlFor(config().systemUrl, 'freehold_system'), 4);

const pipelines = new Map<string, Pipeline>();

function pipeline(connectionString: string, lanes: number): Pipeline {
  const known = pipelines.get(connectionString);
  if (known) return known;
  const made = openPipeline(
    { connectionString, application_name: 'freehold-read', statement_timeout: readMs },
    lanes,
  );
  pipelines.set(connectionString, made);
  return made;
}

/**
 * The transaction a model call belongs to, carried by the call chain: Sequelize asks this for it, so that no
 * query inside `inTenant` or `inSystem` can forget its transaction.
 */
const carried = new AsyncLocalStorage<Map<string, unknown>>();
Sequelize.useCLS({
  run: (act: (context: unknown) => unknown) => carried.run(new Map(carried.getStore()), () => act(undefined)),
  bind: (act: unknown) => act,
  get: (key: string) => carried.getStore()?.get(key),
  set: (key: string, value: unknown) => carried.getStore()?.set(key, value),
});

const sequelizes = new Map<string, Sequelize>();

function sequelize(adminUrl: string, login: string, max: number): Sequelize {
  const url = urlFor(adminUrl, login);
  const known = sequelizes.get(url);
  if (known) return known;
  const options: Options = {
    dialect: 'postgres',
    // pg as it is, but for its clients; a copy would load pg-native, which is not there.
    dialectModule: Object.create(pg, { Client: { value: PatientClient } }),
    logging: false,
    pool: { max, min: 0, idle: idleMs, acquire: connectTimeoutMs * 2, maxUses: 20_000 },
    dialectOptions: {
      connectionTimeoutMillis: connectTimeoutMs,
      application_name: 'freehold',
      statement_timeout: writeMs,
    },
    define: { underscored: true, timestamps: false, freezeTableName: true },
  };
  const made = new Sequelize(url, options);
  sequelizes.set(url, made);
  return made;
}

export const systemSequelize = () => sequelize(config().systemUrl, 'freehold_system', 8);
export const tenantSequelize = (cell: string, login: number) =>
  sequelize(cellOf(cell).url, loginName(cell, login), 8);

export async function closeDatabases(): Promise<void> {
  const ends = [...pools.values(), ...pipelines.values()].map((each) => each.end());
  const closes = [...sequelizes.values()].map((each) => each.close());
  pools.clear();
  pipelines.clear();
  sequelizes.clear();
  await Promise.allSettled([...ends, ...closes]);
}
