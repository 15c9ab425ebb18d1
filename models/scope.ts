import { QueryTypes, type Sequelize } from 'sequelize';
import { Refusal } from '../policies/refusal.ts';
import type { Row, Statement } from './batch.ts';
import { systemReaders, systemSequelize, tenantReaders, tenantSequelize } from './databases.ts';
import { isTenantId, schemaOf } from './ids.ts';
import type { Pipeline } from './pipeline.ts';
import { type SystemTables, systemTables } from './system/tables.ts';
import { type TenantTables, tenantTables } from './tenant/tables.ts';

/**
 * The only ways to data. Inside `inTenant` a transaction has become that tenant: its role, its schema, its context
 * for row-level security. Outside, the tenant's tables do not exist: the logins own nothing, see nothing and have
 * an empty search path. `readInTenant` is the same place for reads that know their statements beforehand: one
 * round trip. `inSystem` is the only way to the shared tables. They do not nest: one act, one place.
 */
export type Place = { tenantId: string; cell: string; login: number };

/** A raw statement in the place one is in; values are always bound, never pasted. */
export type Sql = <T extends object = Row>(text: string, values?: unknown[]) => Promise<T[]>;

export type TenantScope = TenantTables & { sql: Sql };
export type SystemScope = SystemTables & { sql: Sql };

export async function inTenant<T>(place: Place, act: (tenant: TenantScope) => Promise<T>): Promise<T> {
  const db = tenantSequelize(place.cell, place.login);
  const schema = schemaOf(place.tenantId);
  return transact(
    db,
    `set_config('role', '${schema}', true), set_config('search_path', '${schema}, pg_temp', true),
    set_config('app.tenant', '${place.tenantId}', true)`,
    () => act({ ...tenantTables(db), sql: sqlOn(db) }),
  );
}

/** Runs the statements as the tenant, in one transaction and one round trip; tables are named `schema.table`. */
export async function readInTenant(place: Place, statements: Statement[]): Promise<Row[][]> {
  const schema = schemaOf(place.tenantId);
  const context = {
    text: "SELECT set_config('role', $1, true), set_config('app.tenant', $2, true)",
    values: [schema, place.tenantId],
  };
  return read(tenantReaders(place.cell, place.login), context, statements);
}

/** `platform` sees every row of the shared tables; a tenant id sees that tenant's rows only. */
export type SystemSight = 'platform' | (string & {});

export async function inSystem<T>(sight: SystemSight, act: (system: SystemScope) => Promise<T>): Promise<T> {
  const db = systemSequelize();
  return transact(db, contextOf(sight), () => act({ ...systemTables(db), sql: sqlOn(db) }));
}

export async function readInSystem(sight: SystemSight, statements: Statement[]): Promise<Row[][]> {
  return read(systemReaders(), { text: `SELECT ${contextOf(sight)}`, values: [] }, statements);
}

async function read(pipeline: Pipeline, context: Statement, statements: Statement[]): Promise<Row[][]> {
  const [, ...results] = await unavailableAsRefusal(() => pipeline.run([context, ...statements]));
  return results;
}

function contextOf(sight: SystemSight): string {
  if (sight === 'platform') return "set_config('app.scope', 'platform', true)";
  if (!isTenantId(sight)) throw new Error('not a tenant id');
  return `set_config('app.tenant', '${sight}', true)`;
}

async function transact<T>(db: Sequelize, context: string, act: () => Promise<T>): Promise<T> {
  if (inside(db)) throw new Error('bug: inTenant and inSystem do not nest');
  return unavailableAsRefusal(() =>
    db.transaction(async () => {
      await db.query(`SELECT ${context}`, { type: QueryTypes.SELECT });
      return act();
    }),
  );
}

function inside(db: Sequelize): boolean {
  // Sequelize keeps the namespace given to useCLS on the class; its types do not say so.
  const namespace = (db.constructor as unknown as { _cls: { get(key: string): unknown } })._cls;
  return Boolean(namespace.get('transaction'));
}

function sqlOn(db: Sequelize): Sql {
  return <T extends object>(text: string, values: unknown[] = []) =>
    db.query<T>(text, { bind: values, type: QueryTypes.SELECT });
}

/** Connection lost or refused, shut down, too many, read-only, signed out; waited too long for a lock or an answer. */
const connectionFaults = /^(08|57P0[123]|57014|53300|25006|28P01|28000|55P03)/;
const socketFaults = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']);

/**
 * Deadlock, serialization failure: Postgres has undone one of two acts. It is not repeated here, for what surrounds
 * it may have had effects elsewhere; whoever asked repeats the whole.
 */
const contention = new Set(['40P01', '40001']);

/** A database that does not answer is a failure of the world: say 503 and when to come back, never a bare 500. */
async function unavailableAsRefusal<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (contention.has(sqlState(cause) ?? '')) {
      const detail = 'Others were changing the same at this moment, so nothing was changed; try again.';
      throw new Refusal('unavailable', detail, { cause, retryAfterSeconds: 1 });
    }
    if (!isUnavailable(cause)) throw cause;
    throw new Refusal(
      'unavailable',
      'The database of this region does not answer right now; try again shortly.',
      {
        cause,
        retryAfterSeconds: 5,
      },
    );
  }
}

function isUnavailable(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const { original = cause } = cause as Error & { original?: Error };
  const { code = '' } = original as Error & { code?: string };
  return (
    cause.name.startsWith('SequelizeConnection') ||
    connectionFaults.test(code) ||
    socketFaults.has(code) ||
    /Connection terminated|timeout e(xpired|xceeded when trying to connect)|not queryable|Query read timeout/.test(
      original.message,
    )
  );
}

/** The SQLSTATE of an error, through Sequelize's wrapping; undefined when it has none. */
export function sqlState(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const { original = cause } = cause as Error & { original?: Error };
  return (original as Error & { code?: string }).code;
}

/** Whether the error is a unique violation of this constraint (or of any, when none is named). */
export function isDuplicate(cause: unknown, constraint?: string): boolean {
  if (sqlState(cause) !== '23505') return false;
  const { original = cause } = cause as Error & { original?: unknown };
  return constraint === undefined || (original as { constraint?: string }).constraint === constraint;
}
