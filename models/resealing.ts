import type { PoolClient } from 'pg';
import { keptOpenDays, type SealedColumn, sealedColumns } from '../policies/sealed-columns.ts';
import { log } from '../telemetry.ts';
import { cellPlatform } from './databases.ts';
import { forgetKeys } from './key-cache.ts';
import { type Keyring, keyringOf } from './keyring.ts';
import type { Place } from './scope.ts';
import { asOwner } from './tenant-schema.ts';

/**
 * Seals anew, under the newest version of a tenant's key, what is under an older one. Batch by batch, each by itself
 * and by comparison with what was read: what somebody else writes meanwhile is never overwritten, and whoever is killed
 * goes on where the others left off. As the schema's owner, for the trail can be changed by nobody else.
 */
const batchRows = 500;

type Keyed = Pick<Place, 'cell' | 'tenantId' | 'login'>;

// The version stands in bytes 1 and 2 of what is sealed (models/secrets.ts); 0, which there never is, in what is too
// short to say one.
const versionIn = (column: string) =>
  `(CASE WHEN length(${column}) > 2 THEN get_byte(${column}, 1) * 256 + get_byte(${column}, 2) ELSE 0 END)`;

export type ColumnCount = { table: string; column: string; rows: number; underOlder: number };

export async function sealedCounts(place: Keyed, version: number): Promise<ColumnCount[]> {
  return asOwner(place, async (client) => {
    const counts: ColumnCount[] = [];
    for (const { table, column } of sealedColumns) {
      const { rows } = await client.query<{ rows: number; older: number }>(
        `SELECT count(${column})::int AS rows, (count(${column}) FILTER (WHERE ${versionIn(column)} < $1))::int AS older FROM ${table}`,
        [version],
      );
      counts.push({ table, column, rows: rows[0]?.rows ?? 0, underOlder: rows[0]?.older ?? 0 });
    }
    return counts;
  });
}

/** A value that does not open although its key is there: it was changed, cut short or moved outside of Freehold. */
export type Damaged = { table: string; column: string; row: string };

/**
 * Works for so long at most; `done` when nothing is left under an older version but what is damaged. That is left as it
 * is, for it may be mended from a backup, and what is left under a version keeps that version from being destroyed.
 */
export async function resealFor(
  place: Keyed,
  milliseconds: number,
  beat: (resealed: number) => void = () => {},
): Promise<{ resealed: number; done: boolean; damaged: Damaged[] }> {
  const deadline = performance.now() + milliseconds;
  const keyring = await keyringOf(place);
  const damaged: Damaged[] = [];
  let resealed = 0;
  for (const column of sealedColumns) {
    for (let read = batchRows, skipped: string[] = []; read === batchRows; ) {
      if (performance.now() > deadline) return { resealed, done: false, damaged };
      const batch = await asOwner(place, (client) => resealBatch(client, keyring, column, skipped));
      skipped = [...skipped, ...batch.damaged];
      damaged.push(...batch.damaged.map((row) => ({ table: column.table, column: column.column, row })));
      read = batch.read;
      resealed += batch.read - batch.damaged.length;
      beat(resealed);
    }
  }
  if (damaged.length > 0)
    log.warn(
      { tenantId: place.tenantId, damaged: damaged.length },
      'sealed values that do not open were left',
    );
  return { resealed, done: true, damaged };
}

type Older = { row: string; sealed: Buffer };

async function underOlder(
  client: PoolClient,
  { table, column, row }: SealedColumn,
  [version, skipped, limit]: [number, string[], number],
): Promise<Older[]> {
  const { rows } = await client.query<Older>(
    `SELECT ${row} AS row, ${column} AS sealed FROM ${table}
     WHERE ${column} IS NOT NULL AND ${versionIn(column)} < $1 AND ${row} <> ALL ($2) LIMIT $3`,
    [version, skipped, limit],
  );
  return rows;
}

/** Undefined when the value is damaged; throws when it is the key that cannot be used. */
function openedFor(
  keyring: Keyring,
  { table, column }: SealedColumn,
  { row, sealed }: Older,
): Buffer | undefined {
  try {
    return keyring.openBytes(`${table}.${column}`, row, sealed);
  } catch {
    keyring.version();
    return undefined;
  }
}

async function resealBatch(
  client: PoolClient,
  keyring: Keyring,
  column: SealedColumn,
  skipped: string[],
): Promise<{ read: number; damaged: string[] }> {
  const rows = await underOlder(client, column, [keyring.version(), skipped, batchRows]);
  const opened = rows.map((each) => ({ ...each, plain: openedFor(keyring, column, each) }));
  const anew = opened.flatMap(({ row, sealed, plain }) =>
    plain ? [{ row, sealed, anew: keyring.sealBytes(`${column.table}.${column.column}`, row, plain) }] : [],
  );
  await client.query(
    `UPDATE ${column.table} t SET ${column.column} = s.anew
     FROM unnest($1::text[], $2::bytea[], $3::bytea[]) s(name, sealed, anew)
     WHERE ${column.row} = s.name AND t.${column.column} = s.sealed`,
    [anew.map((each) => each.row), anew.map((each) => each.sealed), anew.map((each) => each.anew)],
  );
  return {
    read: rows.length,
    damaged: opened.filter(({ plain }) => plain === undefined).map(({ row }) => row),
  };
}

/** As many of each column as are looked at for one answer; more than a few means that a rotation is still at work. */
const lookedAtMax = 100;

/** What a rotation leaves: found by trying, so that it is true of this moment, and gone once it was mended. */
export async function damagedUnderOlder(place: Keyed, counts: ColumnCount[]): Promise<Damaged[]> {
  const keyring = await keyringOf(place);
  const some = sealedColumns.filter(({ table, column }) =>
    counts.some((each) => each.table === table && each.column === column && each.underOlder > 0),
  );
  return asOwner(place, async (client) => {
    const damaged: Damaged[] = [];
    for (const column of some) {
      const rows = await underOlder(client, column, [keyring.version(), [], lookedAtMax]);
      for (const each of rows)
        if (!openedFor(keyring, column, each))
          damaged.push({ table: column.table, column: column.column, row: each.row });
    }
    return damaged;
  });
}

/**
 * Destroys versions that were superseded long enough ago for every process to know, every run to be over and its
 * history to be gone (`keptOpenDays`), and under which nothing is sealed any more. What a slow writer left is sealed
 * anew first. A tenant whose own key cannot be used now is looked at again next time, and so is one of
 * whose rows some are damaged: no order, so that many of those keep nobody else waiting.
 */
export async function retireOldVersions(cell: string, days: number = keptOpenDays): Promise<string[]> {
  const { rows } = await cellPlatform(cell).query<{ tenant_id: string; version: number }>(
    `SELECT tenant_id, max(version) AS version FROM platform.tenant_keys
     WHERE wrapped IS NOT NULL AND superseded_at < now() - make_interval(days => $1)
     GROUP BY tenant_id ORDER BY random() LIMIT 100`,
    [days],
  );
  const retired: string[] = [];
  for (const { tenant_id: tenantId, version } of rows) {
    const place = { cell, tenantId, login: 0 };
    if (!(await nothingUnder(place, version))) continue;
    await cellPlatform(cell).query(
      `UPDATE platform.tenant_keys SET wrapped = NULL, lasting = NULL, destroyed_at = now(), retired_at = now()
       WHERE tenant_id = $1 AND version <= $2 AND superseded_at IS NOT NULL AND wrapped IS NOT NULL`,
      [tenantId, version],
    );
    forgetKeys(tenantId);
    retired.push(tenantId);
  }
  return retired;
}

async function nothingUnder(place: Keyed, version: number): Promise<boolean> {
  const { done } = await resealFor(place, 10_000);
  if (!done) return false;
  const counts = await sealedCounts(place, version + 1);
  return counts.every(({ underOlder }) => underOlder === 0);
}
