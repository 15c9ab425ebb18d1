import { metersOf } from '../../policies/quotas.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { nameOf } from './person.ts';
import { type Limit, whoseSeries } from './quota-forecast.ts';

/** Who and what uses most of a meter: what to look at first for whoever wants to use less. */
type Consumer = { id: string; name: string; used: number };
/** `unnamed`: what no agent used, such as what was reported from outside without one. */
type TopConsumers = { agents: Consumer[]; unnamed: number; principals: Consumer[]; models: Consumer[] };

const topMax = 3;

type Of = Pick<Limit, 'meter' | 'scope' | 'scopeId'> & { since: Date };

/** Of what counts for one limit, since a moment. */
export async function topConsumers(sql: Sql, of: Of): Promise<TopConsumers> {
  const agents = await top(sql, 'agent_id', of);
  const keys = await top(sql, 'key_id', of);
  const people = await top(sql, 'user_id', of);
  const models = await top(sql, 'model', of);
  const principals = [...(await namedPeople(sql, people)), ...(await named(sql, 'api_keys', keys))]
    .sort((a, b) => b.used - a.used)
    .slice(0, topMax);
  return {
    agents: await named(sql, 'agents', agents),
    unnamed: await unnamed(sql, of),
    principals,
    models: models.map((each) => ({ ...each, name: each.id })),
  };
}

type Used = { id: string; used: number };

const useFor = (scope: Of['scope']) => `FROM usage_hours h JOIN usage_series s ON s.id = h.series
  WHERE s.meter = ANY ($1::text[]) AND ${whoseSeries(scope, 'agents')} AND h.hour >= date_trunc('hour', $3::timestamptz)`;
const values = ({ meter, scopeId, since: at }: Of) => [metersOf(meter), scopeId, at];

async function top(sql: Sql, column: 'agent_id' | 'key_id' | 'user_id' | 'model', of: Of): Promise<Used[]> {
  return sql<Used>(
    `SELECT s.${column} AS id, sum(h.value)::float8 AS used ${useFor(of.scope)} AND s.${column} <> ''
     GROUP BY 1 HAVING sum(h.value) > 0 ORDER BY 2 DESC, 1 LIMIT ${topMax}`,
    values(of),
  );
}

async function unnamed(sql: Sql, of: Of): Promise<number> {
  const text = `SELECT coalesce(sum(h.value), 0)::float8 AS used ${useFor(of.scope)} AND s.agent_id = ''`;
  const [row] = await sql<{ used: number }>(text, values(of));
  return row?.used ?? 0;
}

/** What is no more has still been used, and keeps its id for a name. */
async function named(sql: Sql, table: 'agents' | 'api_keys', used: Used[]): Promise<Consumer[]> {
  const rows = await sql<{ id: string; name: string }>(
    `SELECT id, name FROM ${table} WHERE id = ANY ($1::text[])`,
    [used.map(({ id }) => id)],
  );
  const names = new Map(rows.map(({ id, name }) => [id, name]));
  return used.map((each) => ({ ...each, name: names.get(each.id) ?? each.id }));
}

async function namedPeople(sql: Sql, used: Used[]): Promise<Consumer[]> {
  if (used.length === 0) return [];
  const keyring = await keyringWithin(sql);
  const rows = await sql<{ id: string; sealed_name: Buffer }>(
    'SELECT id, sealed_name FROM users WHERE id = ANY ($1::text[])',
    [used.map(({ id }) => id)],
  );
  const names = new Map(rows.map((row) => [row.id, nameOf(keyring, row.id, row)]));
  return used.map((each) => ({ ...each, name: names.get(each.id) ?? each.id }));
}
