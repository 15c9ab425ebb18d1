import { LRUCache } from 'lru-cache';
import type { Dimensions, MeterName } from '../../policies/meters.ts';
import { placeWithin, type Sql } from '../scope.ts';
import { ownSource } from './usage.ts';

/**
 * What a reading is of, as a number. Numbers are remembered in the process, since they never change while their table
 * is there; a table made anew (a schema that was removed, restored or swapped) has another identity, and whoever uses
 * what was remembered says of which table it is (models/tenant/usage-ingest.ts). Remembered is only what others
 * committed: what this transaction made may yet be rolled back.
 */
export type OfSeries = Dimensions & { meter: MeterName; source: string };
export type Resolved = { numbers: number[]; table: string };

type Remembered = { table: string; numbers: Map<string, number> };
// 40 or so for each of 500 busy organisations, at about 200 bytes.
const remembered = new LRUCache<string, Remembered>({ maxSize: 20_000 });
/** Transactions in which a series was made. */
const making = new WeakSet<Sql>();

// The last is a boolean, and is cast where an array of texts is made of all.
const columns = ['meter', 'agent_id', 'workflow_id', 'user_id', 'key_id', 'model', 'kind', 'reported'];
const split = '\0';
const keyOf = ({ meter, agentId, workflowId, userId, keyId, model, kind, source }: OfSeries): string =>
  `${meter}${split}${agentId ?? ''}${split}${workflowId ?? ''}${split}${userId ?? ''}${split}${keyId ?? ''}${split}${model ?? ''}${split}${kind ?? ''}${split}${source !== ownSource}`;

/** The number of each, in their order; those that are new are made. `anew` asks past what is remembered. */
export async function resolveSeries(sql: Sql, all: readonly OfSeries[], anew = false): Promise<Resolved> {
  const tenantId = placeWithin(sql)?.tenantId ?? '';
  const known = (!anew && remembered.get(tenantId)) || { table: await tableOf(sql), numbers: new Map() };
  const keys = all.map(keyOf);
  const missing = [...new Set(keys)].filter((key) => !known.numbers.has(key));
  const found = missing.length > 0 ? await findOrMake(sql, missing) : new Map<string, number>();
  if (!making.has(sql)) remember(tenantId, known, found);
  const numbers = keys.map((key) => known.numbers.get(key) ?? found.get(key) ?? neverFound());
  return { numbers, table: known.table };
}

function neverFound(): never {
  throw new Error('bug: a series that was just made is not there');
}

function remember(tenantId: string, { table, numbers }: Remembered, found: Map<string, number>): void {
  if (found.size === 0) return;
  const all = new Map([...numbers, ...found]);
  remembered.set(tenantId, { table, numbers: all }, { size: all.size });
}

async function tableOf(sql: Sql): Promise<string> {
  const [row] = await sql<{ oid: string }>("SELECT 'usage_series'::regclass::oid::text AS oid");
  return row?.oid ?? '';
}

/**
 * Other systems may name any model and any combination of what there is; without end, these would fill the disk that
 * organisations share, and no report could be made of them. As many as an answer has room for.
 */
export const reportedSeriesMax = 50_000;

/** Which of these would be of a series too many, by their places in the list; what is of a known one never is. */
export async function beyondSeries(
  sql: Sql,
  all: readonly OfSeries[],
  most = reportedSeriesMax,
): Promise<Set<number>> {
  const numbers = remembered.get(placeWithin(sql)?.tenantId ?? '')?.numbers ?? new Map<string, number>();
  const keys = all.map(keyOf);
  const unknown = [...new Set(keys)].filter((key) => !numbers.has(key));
  if (unknown.length === 0) return new Set();
  const found = await find(sql, unknown);
  const fresh = unknown.filter((key) => !found.has(key));
  if (fresh.length === 0) return new Set();
  const [row] = await sql<{ count: number }>('SELECT count(*)::int AS count FROM usage_series');
  const beyond = new Set(fresh.slice(Math.max(0, most - (row?.count ?? 0))));
  return new Set(keys.flatMap((key, at) => (beyond.has(key) ? [at] : [])));
}

async function findOrMake(sql: Sql, keys: string[]): Promise<Map<string, number>> {
  const found = await find(sql, keys);
  const missing = keys.filter((key) => !found.has(key));
  if (missing.length === 0) return found;
  making.add(sql);
  // In one order, so that two who make the same ones wait for each other in one direction only.
  await sql(
    `INSERT INTO usage_series (${columns}) SELECT * FROM ${given} ORDER BY ${columns} ON CONFLICT DO NOTHING`,
    byColumn(missing),
  );
  return find(sql, keys);
}

const given = `unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[]) AS g(${columns})`;

function byColumn(keys: string[]): string[][] {
  const rows = keys.map((key) => key.split(split));
  return columns.map((_, column) => rows.map((row) => row[column] ?? ''));
}

async function find(sql: Sql, keys: string[]): Promise<Map<string, number>> {
  const rows = await sql<{ id: number; parts: string[] }>(
    `SELECT id, ARRAY[${columns}::text] AS parts FROM usage_series JOIN ${given} USING (${columns})`,
    byColumn(keys),
  );
  return new Map(rows.map(({ id, parts }) => [parts.join(split), id]));
}
