import type { Principal } from '../../policies/principal.ts';
import type { Restriction, RestrictionData } from '../../policies/usage-restriction.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { type Place, readInTenant, type Sql } from '../scope.ts';
import { announcement, leaseOnCell } from '../setting-lease.ts';

/**
 * What is restricted in the tenant one is in. A restriction holds until its time is over, its cause is, or somebody lifts it;
 * the watch (usage-restriction-watch.ts) only writes down what is over by itself. Who asks within an act reads what holds
 * in the transaction of the act; requests ask memory, which is never older than settings are.
 */
const columns = `id, key, scope, scope_id, measure, cause, made_by, quota_id, data, since, until, lifted_at, lifted_by, lift_reason, ended_at`;
const holding = 'ended_at IS NULL AND lifted_at IS NULL AND (until IS NULL OR until > now())';

export function asRestriction(row: Row): Restriction {
  return {
    id: String(row.id),
    // The columns' CHECKs allow what these types name and nothing else; `data` is written by beginRestriction.
    scope: row.scope as Restriction['scope'],
    scopeId: String(row.scope_id),
    measure: row.measure as Restriction['measure'],
    cause: row.cause as Restriction['cause'],
    madeBy: row.made_by as Restriction['madeBy'],
    quotaId: typeof row.quota_id === 'string' ? row.quota_id : null,
    data: row.data as RestrictionData,
    since: new Date(String(row.since)),
    until: row.until === null ? null : new Date(String(row.until)),
  };
}

/** What holds for acts, as of this transaction. A warning holds nobody up. */
export async function restrictionsIn(sql: Sql): Promise<Restriction[]> {
  const rows = await sql<Row>(
    `SELECT ${columns} FROM usage_restrictions WHERE ${holding} AND measure <> 'warn' ORDER BY id`,
  );
  return rows.map(asRestriction);
}

/** What holds, from memory while this process is known to have heard of every change (models/setting-lease.ts). */
export async function restrictionsOf(place: Place): Promise<readonly Restriction[]> {
  const text = `SELECT ${columns} FROM ${schemaOf(place.tenantId)}.usage_restrictions WHERE ${holding} AND measure <> 'warn' ORDER BY id`;
  return leaseOnCell(place.cell).keep(`${place.tenantId} restrictions`, async () => {
    const [rows = []] = await readInTenant(place, [{ text, values: [] }]);
    return rows.map(asRestriction);
  });
}

export function restrictionById(tenantId: string, id: string): Statement {
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.usage_restrictions WHERE id = $1`,
    values: [id],
  };
}

export type RestrictionFilter = { holding?: boolean | undefined; cursor?: string | undefined };

export function restrictionList(
  tenantId: string,
  { holding: only, cursor }: RestrictionFilter,
  limit: number,
): Statement {
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.usage_restrictions
           WHERE ($1::boolean IS NULL OR (${holding}) = $1) AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    values: [only === undefined ? null : String(only), cursor ?? null, limit],
  };
}

/** Known are also those that somebody lifted, for as long as their cause is not over. */
export type Known = Restriction & { key: string; lifted: boolean };

export async function knownRestrictions(sql: Sql): Promise<Known[]> {
  const rows = await sql<Row>(`SELECT ${columns} FROM usage_restrictions WHERE ended_at IS NULL ORDER BY id`);
  return rows.map((row) => ({ ...asRestriction(row), key: String(row.key), lifted: row.lifted_at !== null }));
}

/** One watch at a time decides what begins and ends in a tenant; taken after every lock of meter and ledger. */
export async function takeRestrictionTurn(sql: Sql): Promise<void> {
  await sql(
    "SELECT pg_advisory_xact_lock(hashtext('restrictions'), hashtext(current_setting('app.tenant')))",
  );
}

export async function beginRestriction(sql: Sql, made: Restriction & { key: string }): Promise<void> {
  await sql(
    `INSERT INTO usage_restrictions (id, key, scope, scope_id, measure, cause, made_by, quota_id, data, since, until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11)`,
    [
      made.id,
      made.key,
      made.scope,
      made.scopeId,
      made.measure,
      made.cause,
      made.madeBy,
      made.quotaId,
      JSON.stringify(made.data),
      made.since,
      made.until,
    ],
  );
}

/** Those whose time was over before ended then. */
export async function endRestrictions(sql: Sql, ids: readonly string[], at: Date): Promise<void> {
  await sql('UPDATE usage_restrictions SET ended_at = least(until, $2) WHERE id = ANY ($1::text[])', [
    ids,
    at,
  ]);
}

export type Lifting = { by: Principal; reason: string };

/** Answers no row when it held no more. */
export function liftStatements(tenantId: string, id: string, { by, reason }: Lifting): Statement[] {
  return [
    {
      text: `UPDATE ${schemaOf(tenantId)}.usage_restrictions
             SET lifted_at = now(), lifted_by = $2::jsonb, lift_reason = $3
             WHERE id = $1 AND ${holding} RETURNING ${columns}`,
      values: [id, JSON.stringify(by), reason],
    },
    { text: announcement, values: [] },
  ];
}

/** In the transaction of the change: from its commit on no process believes what it remembers. */
export async function announceRestrictions(sql: Sql): Promise<void> {
  await sql(announcement);
}

/** Those that held runs, are over, and whose runs have not been told yet. */
export async function endedUntold(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    `SELECT id FROM usage_restrictions
     WHERE NOT runs_told AND measure IN ('queue', 'stop') AND NOT (${holding}) ORDER BY id`,
  );
  return rows.map(({ id }) => id);
}

export async function noteRunsTold(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql('UPDATE usage_restrictions SET runs_told = true WHERE id = ANY ($1::text[])', [ids]);
}
