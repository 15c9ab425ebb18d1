import { readdirSync, readFileSync } from 'node:fs';
import type { PoolClient } from 'pg';
import { Refusal } from '../policies/refusal.ts';
import { cellAdministrator, loginName } from './databases.ts';
import { schemaOf } from './ids.ts';
import type { Place, Sql } from './scope.ts';
import { rewritten, sealings } from './sealing-upgrade.ts';

/**
 * A tenant's schema and role: made in one transaction, removed in one. Row-level security, forced and compared with
 * this schema's constant tenant id, is added to every table by one fragment (R2.4). Tables are named one by one in
 * GRANT: `ON ALL TABLES IN SCHEMA` reads all of pg_class and makes the 5,000th tenant five times as dear as the first.
 */
const folder = new URL('./migrations/tenant/', import.meta.url);
/** One file for each version of a tenant's schema, in order; the first makes it. */
const migrations = readdirSync(folder)
  .sort()
  .map((name) => readFileSync(new URL(name, folder), 'utf8'));
export const tenantSchemaVersion = migrations.length;

/** Partitions are nobody's: they are reached through their table, whose walls hold. */
const tablesOf = (sql: string) =>
  [...sql.matchAll(/^CREATE TABLE (\w+)(?! PARTITION OF)\b/gm)].flatMap(([, name]) => name ?? []);

/** Every tenant table, read off the migrations themselves so that no list can lag behind them. */
export const tenantTableNames = migrations.flatMap(tablesOf);

/** What the tenant's role may only add to and read. */
const appendOnly = ['audit_events'];

/**
 * Asked once for each statement. The comparison stands inside the SELECT, so that the planner takes the whole for a
 * boolean it knows nothing of; an equality with it is estimated to hold for one row in 200, and lists were sorted whole
 * instead of read along an index.
 */
const inside = (tenantId: string) => `(SELECT current_setting('app.tenant', true) = '${tenantId}')`;

function wallsSql(tenantId: string, tables: string[]): string {
  const schema = schemaOf(tenantId);
  const policies = tables.map(
    (table) => `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY inside ON ${table} USING (${inside(tenantId)});`,
  );
  const grants = tables.map(
    (table) =>
      `GRANT SELECT, INSERT${appendOnly.includes(table) ? '' : ', UPDATE, DELETE'} ON ${table} TO ${schema};`,
  );
  return [...policies, ...grants].join('\n');
}

/** Where a migration leaves room for what cannot happen in SQL; new tenants have nothing there yet. */
const sealingMark = /^-- sealing: (\w+)\..*$/m;

/** From one version to the newest, run as the schema's owner; cut where something is sealed in between. */
function upgradeSql(tenantId: string, from: number): { sql: string[]; sealed: string[] } {
  const missing = migrations.slice(from);
  const cut = missing.join('\n').split(sealingMark);
  const sql = cut.filter((_, at) => at % 2 === 0);
  const older = migrations.slice(0, from).flatMap(tablesOf);
  const before = `SET LOCAL ROLE freehold_owner;
SET LOCAL search_path = ${schemaOf(tenantId)};
SET LOCAL app.tenant = '${tenantId}';`;
  const after = `${wallsSql(tenantId, missing.flatMap(tablesOf))}
${older.map((table) => `ALTER POLICY inside ON ${table} USING (${inside(tenantId)});`).join('\n')}
RESET ROLE;
RESET search_path;
RESET app.tenant;`;
  return { sql: [before, ...sql, after], sealed: cut.filter((_, at) => at % 2 === 1) };
}

/** The whole DDL of one tenant; also what the provisioning bench runs bare as its floor. */
export function schemaSql(place: Place): string {
  const schema = schemaOf(place.tenantId);
  return `CREATE ROLE ${schema} NOLOGIN;
GRANT ${schema} TO ${loginName(place.cell, place.login)};
CREATE SCHEMA ${schema} AUTHORIZATION freehold_owner;
GRANT USAGE ON SCHEMA ${schema} TO ${schema};
${upgradeSql(place.tenantId, 0).sql.join('\n')}`;
}

/** Brings a tenant that is there to the newest version; changes nothing when it is at it. Returns whether it did. */
export async function upgradeTenantSchema(place: Pick<Place, 'cell' | 'tenantId'>): Promise<boolean> {
  const upgraded = await locked(place, async (client) => {
    const { rows } = await client.query<{ version: number }>(
      'SELECT version FROM platform.tenant_schemas WHERE tenant_id = $1',
      [place.tenantId],
    );
    const version = rows[0]?.version ?? tenantSchemaVersion;
    if (version >= tenantSchemaVersion) return undefined;
    const { sql, sealed } = upgradeSql(place.tenantId, version);
    const [context = '', ...pieces] = sql;
    await client.query(context);
    for (const [at, piece] of pieces.entries()) {
      await client.query(piece);
      const name = sealed[at];
      if (name) await sealings.get(name)?.seal(client, place);
    }
    await client.query('UPDATE platform.tenant_schemas SET version = $2 WHERE tenant_id = $1', [
      place.tenantId,
      tenantSchemaVersion,
    ]);
    return sealed;
  });
  // In a transaction of its own: what this one has just made obsolete would be carried over.
  if (upgraded && upgraded.length > 0)
    await locked(place, (client) => client.query(rewritten(schemaOf(place.tenantId), upgraded)));
  return upgraded !== undefined;
}

/** The tenants of a cell whose schema is of an older version. */
export async function outdatedTenants(cell: string): Promise<string[]> {
  const { rows } = await cellAdministrator(cell).query<{ tenant_id: string }>(
    'SELECT tenant_id FROM platform.tenant_schemas WHERE version < $1 ORDER BY tenant_id',
    [tenantSchemaVersion],
  );
  return rows.map((row) => row.tenant_id);
}

/** Safe to repeat; refuses to come back after its own undo (a late attempt of a lost worker). */
export async function ensureTenantSchema(place: Place, operationId: string): Promise<void> {
  await locked(place, async (client) => {
    const { rows } = await client.query<{ made: boolean; undone: boolean }>(
      `SELECT EXISTS (SELECT FROM platform.tenant_schemas WHERE tenant_id = $1) AS made,
              EXISTS (SELECT FROM platform.effects WHERE operation_id = $2 AND step = 'removeTenantSchema') AS undone`,
      [place.tenantId, operationId],
    );
    if (rows[0]?.undone) throw new Refusal('conflict', 'This operation has already been undone.');
    if (rows[0]?.made) return;
    await client.query(schemaSql(place));
    await client.query('INSERT INTO platform.tenant_schemas (tenant_id, version) VALUES ($1, $2)', [
      place.tenantId,
      tenantSchemaVersion,
    ]);
  });
}

export async function removeTenantSchema(place: Place, operationId: string): Promise<void> {
  const schema = schemaOf(place.tenantId);
  await locked(place, async (client) => {
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; DROP ROLE IF EXISTS ${schema}`);
    await client.query('DELETE FROM platform.tenant_schemas WHERE tenant_id = $1', [place.tenantId]);
    await client.query(
      "INSERT INTO platform.effects (operation_id, step) VALUES ($1, 'removeTenantSchema') ON CONFLICT DO NOTHING",
      [operationId],
    );
  });
}

/**
 * Inside a tenant as the owner of its tables: for what its own role may not do, which is to remove from the trail what
 * need not be kept any more. Row-level security is forced on the owner as well, so the context is that tenant's.
 */
export async function inTenantAsOwner<T>(place: Place, act: (sql: Sql) => Promise<T>): Promise<T> {
  const schema = schemaOf(place.tenantId);
  return locked(place, async (client) => {
    await client.query(`SET LOCAL ROLE freehold_owner;
      SELECT set_config('search_path', '${schema}, pg_temp', true), set_config('app.tenant', '${place.tenantId}', true)`);
    return act(async (text, values = []) => (await client.query(text, values)).rows);
  });
}

export type Remains = { schemas: number; roles: number; keys: number; intake: number };

/** What is still there of a tenant in its cell; all zero once it is gone. */
export async function remainsOf(place: Place): Promise<Remains> {
  const schema = schemaOf(place.tenantId);
  const { rows } = await cellAdministrator(place.cell).query<Remains>(
    `SELECT (SELECT count(*)::int FROM pg_namespace WHERE nspname = $1) AS schemas,
            (SELECT count(*)::int FROM pg_roles WHERE rolname = $1) AS roles,
            (SELECT count(*)::int FROM platform.tenant_keys WHERE tenant_id = $2 AND wrapped IS NOT NULL) AS keys,
            (SELECT count(*)::int FROM platform.intake WHERE tenant_id = $2) AS intake`,
    [schema, place.tenantId],
  );
  if (!rows[0]) throw new Error('the catalogue query answered no row');
  return rows[0];
}

/** One transaction as the owner of a tenant's tables, inside the tenant: for what the tenant's own role may not do. */
export async function asOwner<T>(
  { cell, tenantId }: Pick<Place, 'cell' | 'tenantId'>,
  act: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await cellAdministrator(cell).connect();
  try {
    await client.query(`BEGIN; SET LOCAL ROLE freehold_owner; SET LOCAL search_path = ${schemaOf(tenantId)};
      SET LOCAL app.tenant = '${tenantId}'; SET LOCAL statement_timeout = '60s'`);
    const done = await act(client);
    await client.query('COMMIT');
    client.release();
    return done;
  } catch (cause) {
    client.release(true);
    throw cause;
  }
}

/** One transaction as the cell's administrator, alone with this tenant: two attempts of one step never interleave. */
async function locked<T>(
  place: Pick<Place, 'cell' | 'tenantId'>,
  act: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await cellAdministrator(place.cell).connect();
  try {
    await client.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('${place.tenantId}', 0))`);
    const done = await act(client);
    await client.query('COMMIT');
    client.release();
    return done;
  } catch (cause) {
    // The connection goes; with it the transaction.
    client.release(true);
    throw cause;
  }
}
