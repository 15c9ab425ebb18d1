import pg from 'pg';
import { type Options, Sequelize } from 'sequelize';
import { type CellConfig, type Config, loadConfig } from '../config.ts';
import { log } from '../telemetry.ts';
import './carried.ts';
import { PatientClient } from './patient-client.ts';
import { closePipelines, pipeline } from './pipelines.ts';
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
const ratesMs = 1_000;
const writeMs = 11_000;
/** What the ledger of limits may take: an act that waits for it has not begun, and some may begin without it. */
export const ledgerMs = 2_000;

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
export const cellPlatform = (cell: string) => pool(platformLogin(cell), 4, platformPatience);
function platformUrl(cell: string, name: string): string {
  const url = new URL(platformLogin(cell));
  url.searchParams.set('application_name', name);
  return url.href;
}
/** Of their own, for without its key nobody reads anything: who waits for another of the platform's waits for nothing here. */
export const cellKeys = (cell: string) => pool(platformUrl(cell, 'freehold-keys'), 2, platformPatience);
/** One connection: rates are asked for often, each in no time, and nobody waits for them for long. */
export const cellRates = (cell: string) =>
  pipeline(platformUrl(cell, 'freehold-rates'), 1, { statement_timeout: ratesMs });
export const tenantReaders = (cell: string, login: number) =>
  pipeline(urlFor(cellOf(cell).url, loginName(cell, login)), 6);
export const systemReaders = () => pipeline(urlFor(config().systemUrl, 'freehold_system'), 4);
/** Of its own, for acts wait for it that a slow read must not hold up; more lanes, for each of its answers waits for the disk. */
export const tenantLedger = (cell: string, login: number) =>
  pipeline(urlFor(cellOf(cell).url, loginName(cell, login)), 4, {
    application_name: 'freehold-ledger',
    statement_timeout: ledgerMs,
    // Planned once, for all values and while the tables are still small: there is one way to find a row, by its key.
    options:
      '-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off',
  });

/** Connections that only listen, each outside every pool; whoever opens one hears of its end. */
const listeners = new Set<pg.Client>();
let closings = 0;
/** Differs before and after `closeDatabases`: whoever connects again and again asks whether it still should. */
export const openness = (): number => closings;

export const systemLogin = () => urlFor(config().systemUrl, 'freehold_system');
export const platformLogin = (cell: string) => urlFor(cellOf(cell).url, 'freehold_platform');

export async function openListener(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString,
    application_name: 'freehold-listen',
    connectionTimeoutMillis: connectTimeoutMs,
    // One on which nothing is told for long has to notice that the other side is gone.
    keepAlive: true,
    ...platformPatience,
  });
  client.on('error', (error) => log.warn({ error: error.message }, 'a listening connection was lost'));
  client.once('end', () => listeners.delete(client));
  listeners.add(client);
  await client.connect();
  return client;
}

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
export const tenantConnections = 8;
export const tenantSequelize = (cell: string, login: number) =>
  sequelize(cellOf(cell).url, loginName(cell, login), tenantConnections);

export async function closeDatabases(): Promise<void> {
  closings += 1;
  const ends = [...[...pools.values()].map((each) => each.end()), closePipelines()];
  const closes = [
    ...[...sequelizes.values()].map((each) => each.close()),
    ...[...listeners].map((each) => each.end()),
  ];
  pools.clear();
  sequelizes.clear();
  listeners.clear();
  await Promise.allSettled([...ends, ...closes]);
}
