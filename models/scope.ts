import { QueryTypes, type Sequelize } from 'sequelize';
import { Refusal } from '../policies/refusal.ts';
import type { Row, Statement } from './batch.ts';
import { addBusyTime } from './busy-time.ts';
import { systemReaders, systemSequelize, tenantLedger, tenantReaders, tenantSequelize } from './databases.ts';
import { isTenantId, schemaOf } from './ids.ts';
import { nobodys, type Pipeline } from './pipeline.ts';
import { type SystemTables, systemTables } from './system/tables.ts';
import { type TenantTables, tenantTables } from './tenant/tables.ts';
import { tenantGate } from './tenant-gate.ts';

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
  refuseNesting(db);
  const schema = schemaOf(place.tenantId);
  const leave = await tenantGate(db).enter(place.tenantId);
  try {
    return await transact(
      db,
      `set_config('role', '${schema}', true), set_config('search_path', '${schema}, pg_temp', true),
      set_config('app.tenant', '${place.tenantId}', true)`,
      () => {
        const sql = sqlOn(db);
        places.set(sql, place);
        return act({ ...tenantTables(db), sql });
      },
      (ms) => addBusyTime(place.tenantId, ms),
    );
  } finally {
    leave();
  }
}

const places = new WeakMap<Sql, Place>();

/** Whose transaction this is, for what was given the transaction alone; undefined on the shared tables. */
export const placeWithin = (sql: Sql): Place | undefined => places.get(sql);

/** Runs the statements as the tenant, in one transaction and one round trip; tables are named `schema.table`. */
export async function readInTenant(place: Place, statements: Statement[]): Promise<Row[][]> {
  return read(tenantReaders(place.cell, place.login), contextIn(place), statements, place.tenantId);
}

/**
 * The same for the ledger of limits, which changes what it reads: all of it happens, or nothing. The lock is that of
 * models/tenant/quota.ts, taken here because a statement less is a tenth of what a reservation costs.
 */
export async function decideInTenant(
  place: Place,
  statements: Statement[],
  limits: 'apply' | 'change' = 'apply',
): Promise<Row[][]> {
  const { text, values } = contextIn(place);
  const shared = limits === 'apply' ? '_shared' : '';
  const lock = `pg_advisory_xact_lock${shared}(hashtext('quotas'), hashtext($2))`;
  const context = { text: `${text}, ${lock}`, values };
  return read(tenantLedger(place.cell, place.login), context, statements, place.tenantId);
}

const contextIn = ({ tenantId }: Place): Statement => ({
  text: "SELECT set_config('role', $1, true), set_config('app.tenant', $2, true)",
  values: [schemaOf(tenantId), tenantId],
});

/** `platform` sees every row of the shared tables; a tenant id sees that tenant's rows only. */
export type SystemSight = 'platform' | (string & {});

export async function inSystem<T>(sight: SystemSight, act: (system: SystemScope) => Promise<T>): Promise<T> {
  const db = systemSequelize();
  refuseNesting(db);
  return transact(db, contextOf(sight), () => act({ ...systemTables(db), sql: sqlOn(db) }));
}

export async function readInSystem(sight: SystemSight, statements: Statement[]): Promise<Row[][]> {
  const whose = sight === 'platform' ? nobodys : sight;
  return read(systemReaders(), { text: `SELECT ${contextOf(sight)}`, values: [] }, statements, whose);
}

async function read(
  pipeline: Pipeline,
  context: Statement,
  statements: Statement[],
  whose: string,
): Promise<Row[][]> {
  const [, ...results] = await unavailableAsRefusal(() => pipeline.run([context, ...statements], whose));
  return results;
}

function contextOf(sight: SystemSight): string {
  if (sight === 'platform') return "set_config('app.scope', 'platform', true)";
  if (!isTenantId(sight)) throw new Error('not a tenant id');
  return `set_config('app.tenant', '${sight}', true)`;
}

/** `busy` is told how long there was a connection for it, until it was given back. */
async function transact<T>(
  db: Sequelize,
  context: string,
  act: () => Promise<T>,
  busy?: (ms: number) => void,
): Promise<T> {
  let since: number | undefined;
  try {
    return await unavailableAsRefusal(() =>
      db.transaction(async () => {
        since = performance.now();
        await db.query(`SELECT ${context}`, { type: QueryTypes.SELECT });
        return act();
      }),
    );
  } finally {
    if (busy && since !== undefined) busy(performance.now() - since);
  }
}

function refuseNesting(db: Sequelize): void {
  // Sequelize keeps the namespace given to useCLS on the class; its types do not say so.
  const namespace = (db.constructor as unknown as { _cls: { get(key: string): unknown } })._cls;
  if (namespace.get('transaction')) throw new Error('bug: inTenant and inSystem do not nest');
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
    const detail = 'The database of this region does not answer right now; try again shortly.';
    throw new Refusal('unavailable', detail, { cause, retryAfterSeconds: 5 });
  }
}

/** Whether the database did not answer, as opposed to having said no. */
export function isUnavailable(cause: unknown): boolean {
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

/** Whether there is no role to become: the tenant was deleted, or is not made yet. */
export const roleIsGone = (cause: unknown): boolean =>
  sqlState(cause) === '22023' && /role .* does not exist/.test(String(cause));

/** Whether the error is a unique violation of this constraint (or of any, when none is named). */
export function isDuplicate(cause: unknown, constraint?: string): boolean {
  if (sqlState(cause) !== '23505') return false;
  const { original = cause } = cause as Error & { original?: unknown };
  return constraint === undefined || (original as { constraint?: string }).constraint === constraint;
}
