import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { Umzug } from 'umzug';
import type { CellConfig } from '../config.ts';
import { plans } from '../policies/plans.ts';
import { Refusal } from '../policies/refusal.ts';
import { config, loginName, loginPassword, rolesPerLogin } from './databases.ts';
import { bootstrapSystemTenant } from './system-tenant.ts';
import { outdatedTenants, tenantSchemaVersion, upgradeTenantSchema } from './tenant-schema.ts';

/**
 * Brings databases to what this version needs: roles and logins, shared tables (umzug, plain SQL files), the rows
 * that mirror configuration and code (cells, logins, plans), and the system tenant. Safe to repeat, and two at once
 * wait for each other. Needs the administrators' URLs; nothing else does.
 */
type Say = (done: string) => void;

// Fixes for leaks around row-level security (CVE-2025-8713 among them) are in these and later ones.
const versionFloors: Record<number, number> = { 15: 150_014, 16: 160_010, 17: 170_006, 18: 180_000 };

export async function migrate(say: Say): Promise<void> {
  await withAdministrator(config().systemUrl, async (client) => {
    await sharedRoles(client);
    await login(client, 'freehold_system', 'public');
    await closeDatabase(client, ['freehold_system']);
    await run(client, 'system', say);
    await mirrorConfiguration(client);
    say('system database: cells, logins and plans as configured');
  });
  for (const cell of config().regions.flatMap((region) => region.cells)) await migrateCell(cell, say);
  await bootstrapSystemTenant();
}

async function migrateCell(cell: CellConfig, say: Say): Promise<void> {
  await withAdministrator(cell.url, async (client) => {
    const logins = loginsOf(cell);
    await sharedRoles(client);
    await login(client, 'freehold_platform', 'platform');
    for (const name of logins) await login(client, name, 'pg_catalog');
    await closeDatabase(client, ['freehold_platform', 'freehold_owner', ...logins]);
    await run(client, 'cell', say);
    say(`cell ${cell.name}: ${logins.length} logins for up to ${cell.capacity} tenants`);
  });
  await upgradeTenants(cell.name, say);
}

/** One tenant after the other, each in a transaction of its own: what was interrupted goes on where it was. */
async function upgradeTenants(cell: string, say: Say): Promise<void> {
  const outdated = await outdatedTenants(cell);
  let upgraded = 0;
  for (const tenantId of outdated) {
    try {
      await upgradeTenantSchema({ cell, tenantId });
      upgraded++;
    } catch (cause) {
      // Without its key nothing of it opens anyway; it must not keep the others from being brought up to date.
      if (!(cause instanceof Refusal)) throw cause;
      say(`cell ${cell}: ${tenantId} stays as it is: ${cause.message}`);
    }
  }
  if (upgraded > 0) say(`cell ${cell}: ${upgraded} tenants now at version ${tenantSchemaVersion}`);
}

function loginsOf(cell: CellConfig): string[] {
  return Array.from({ length: Math.ceil(cell.capacity / rolesPerLogin) }, (_, number) =>
    loginName(cell.name, number),
  );
}

async function withAdministrator(url: string, act: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'freehold-migrate' });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock(hashtext('freehold/migrate'))");
    await checkVersion(client);
    await act(client);
  } finally {
    await client.end();
  }
}

async function checkVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>(
    "SELECT current_setting('server_version_num') AS version",
  );
  const version = Number(rows[0]?.version);
  const floor =
    versionFloors[Math.floor(version / 10_000)] ?? (version > 180_000 ? 0 : Number.POSITIVE_INFINITY);
  if (version >= floor) return;
  throw new Error(
    `PostgreSQL ${version} has known leaks around row-level security; Freehold needs 15.14, 16.10, 17.6, 18.0 or later.`,
  );
}

/** Roles belong to the whole server, so two databases of one server find them made. */
async function sharedRoles(client: pg.Client): Promise<void> {
  await ensureRole(client, 'freehold_owner', 'NOLOGIN');
  await client.query('GRANT freehold_owner TO CURRENT_USER');
}

async function ensureRole(client: pg.Client, name: string, kind: string): Promise<void> {
  await client.query(
    `DO $$ BEGIN CREATE ROLE ${name} ${kind}; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
  );
}

/** A statement ends before the 30 s an activity's attempt may take, so that none lands after its undo. */
async function login(client: pg.Client, name: string, searchPath: string): Promise<void> {
  await ensureRole(client, name, 'LOGIN NOINHERIT');
  await client.query(`ALTER ROLE ${name} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE PASSWORD '${loginPassword(name)}';
    ALTER ROLE ${name} SET search_path = ${searchPath};
    ALTER ROLE ${name} SET statement_timeout = '20s';
    ALTER ROLE ${name} SET lock_timeout = '10s';
    ALTER ROLE ${name} SET idle_in_transaction_session_timeout = '60s'`);
}

/** Nobody may connect, make temporary tables (they could shadow real ones) or use `public`, but those named. */
async function closeDatabase(client: pg.Client, logins: string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>('SELECT quote_ident(current_database()) AS name');
  await client.query(`REVOKE ALL ON DATABASE ${rows[0]?.name} FROM PUBLIC;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT CONNECT ON DATABASE ${rows[0]?.name} TO ${logins.join(', ')};
    GRANT CREATE ON DATABASE ${rows[0]?.name} TO freehold_owner`);
}

/** Files that had another name once, under which databases that were made then remember them. */
const formerNames: Record<string, string> = { '0004-usage.sql': '0005-usage.sql' };

async function run(client: pg.Client, kind: 'system' | 'cell', say: Say): Promise<void> {
  const folder = new URL(`./migrations/${kind}/`, import.meta.url);
  await client.query(
    'CREATE TABLE IF NOT EXISTS public.freehold_migrations (name text PRIMARY KEY, at timestamptz DEFAULT now())',
  );
  const umzug = new Umzug({
    context: client,
    logger: undefined,
    migrations: readdirSync(folder).map((name) => ({
      name,
      up: async () => {
        // The file and its record commit together.
        await client.query(`BEGIN; ${readFileSync(new URL(name, folder), 'utf8')}`);
        await client.query('INSERT INTO public.freehold_migrations (name) VALUES ($1)', [name]);
        await client.query('COMMIT');
        say(`${kind} database: ${name}`);
      },
    })),
    storage: {
      executed: async () => {
        const { rows } = await client.query<{ name: string }>(
          'SELECT name FROM public.freehold_migrations ORDER BY name',
        );
        return rows.map(({ name }) => formerNames[name] ?? name);
      },
      logMigration: async () => {},
      unlogMigration: async () => {},
    },
  });
  await umzug.up();
}

async function mirrorConfiguration(client: pg.Client): Promise<void> {
  for (const region of config().regions) {
    for (const cell of region.cells) {
      await client.query(
        `INSERT INTO cells (name, region, capacity) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET region = excluded.region, capacity = excluded.capacity`,
        [cell.name, region.name, cell.capacity],
      );
      await client.query(
        'INSERT INTO logins (cell, number) SELECT $1, generate_series(0, $2::int - 1) ON CONFLICT DO NOTHING',
        [cell.name, loginsOf(cell).length],
      );
    }
  }
  for (const plan of plans) {
    await client.query(
      'INSERT INTO plans (name, version, terms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [plan.name, plan.version, JSON.stringify(plan)],
    );
  }
}
