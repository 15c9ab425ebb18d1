import type pg from 'pg';
import { cellOf } from '../models/databases.ts';
import type { Place } from '../models/scope.ts';
import { ensureTenantKey, forgetTenantKeys } from '../models/tenant-key.ts';
import { ensureTenantSchema, removeTenantSchema, schemaSql } from '../models/tenant-schema.ts';
import { say } from './equipment.ts';
import { connected, fillCell, newPlaces } from './fill.ts';
import { interleaved, milliseconds } from './statistics.ts';
import type { Line } from './table.ts';

/**
 * Schema, role, walls and key of one tenant against its DDL alone on a warm connection, with `size` tenants there.
 * `eu-1` grows while `us-1`, another cluster, stays at one tenant: growth is measured against it in the same run, and
 * not against a minute when the machine was in another mood. What was measured is removed again.
 */
const grown = 'eu-1';
const small = 'us-1';

export async function schemaLines(asked: { sizes: number[]; repetitions: number }): Promise<Line[]> {
  const clients = {
    [grown]: await connected(cellOf(grown).url),
    [small]: await connected(cellOf(small).url),
  };
  try {
    await fillCell(small, newPlaces(1, small));
    const lines: Line[] = [];
    for (const size of asked.sizes.toSorted((a, b) => a - b)) {
      const missing = size - (await tenantsIn(clients[grown]));
      say(`${size} tenants …`);
      if (missing > 0) await fillCell(grown, newPlaces(missing, grown));
      await clients[grown].query('CHECKPOINT');
      lines.push(...(await measured(clients, size, asked.repetitions)));
    }
    return lines;
  } finally {
    await Promise.all(Object.values(clients).map((client) => client.end()));
  }
}

async function measured(
  clients: Record<typeof grown | typeof small, pg.Client>,
  size: number,
  repetitions: number,
): Promise<Line[]> {
  const results = await interleaved(
    [
      { name: 'bare', measure: () => bare(clients[grown], grown) },
      { name: 'product', measure: () => product(grown) },
      { name: 'product-small', measure: () => product(small) },
    ],
    repetitions,
    2,
  );
  const values = (name: string) => results.get(name) ?? [];
  const [floor, made] = [values('bare'), values('product')];
  return [
    { what: `${size} tenants: bare DDL (floor)`, unit: 'ms', values: floor },
    {
      what: `${size} tenants: schema, role and key`,
      unit: 'ms',
      values: made,
      floor,
      budget: { atMost: 1.5 },
    },
    {
      what: `${size} tenants: growth since 1 tenant`,
      unit: 'ms',
      values: made,
      floor: values('product-small'),
      budget: { atMost: 1.5 },
    },
  ];
}

const operationId = 'op_bench';

async function bare(client: pg.Client, cell: string): Promise<number> {
  const place = onePlace(cell);
  const took = await milliseconds(() => client.query(`BEGIN; ${schemaSql(place)} COMMIT`));
  await removeTenantSchema(place, operationId);
  return took;
}

async function product(cell: string): Promise<number> {
  const place = onePlace(cell);
  const took = await milliseconds(async () => {
    await ensureTenantSchema(place, 'op_bench_making');
    await ensureTenantKey(place, 'op_bench_making');
  });
  await removeTenantSchema(place, operationId);
  await forgetTenantKeys(place);
  return took;
}

function onePlace(cell: string): Place {
  const [place] = newPlaces(1, cell);
  if (!place) throw new Error('there is no place');
  return place;
}

async function tenantsIn(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM platform.tenant_schemas',
  );
  return rows[0]?.count ?? 0;
}
