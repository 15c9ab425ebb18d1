import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { cellOf } from '../models/databases.ts';
import { schemaOf } from '../models/ids.ts';
import { decideInTenant, inTenant, type Place } from '../models/scope.ts';
import { reserve, reserveIn } from '../models/tenant/quota-ledger.ts';
import { say, withEquipment } from './equipment.ts';
import { connected, furnishedTenants } from './fill.ts';
import { interleaved } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * Reservations a second, of one limit that everybody pulls at and of those of many tenants, against what no ledger can
 * do without: one conditional UPDATE, named, alone in its transaction, as the administrator, on connections of its own.
 * Two more say what stands between: the same as the tenant, in its schema, role and row security; and with a row of who
 * holds it until when, which is all that a tenant's ledger writes that gives back what the dead hold. The last is what runs do:
 * they reserve in the transaction of the act.
 */
const tenantCount = 100;
const callers = [1, 8, 32];
const measuredMs = 1_500;
const plenty = 1_000_000_000_000;

type Act = (at: number) => Promise<unknown>;

export async function benchReserve({ repetitions }: { repetitions: number }): Promise<boolean> {
  return withEquipment(async () => {
    const tenants = (await furnishedTenants('eu', 'eu-1', tenantCount, 1)).map(({ place }) => place);
    for (const place of tenants) await limit(place);
    await Promise.all(tenants.map((_, at) => reserving(tenants)(at)));
    const clients = await Promise.all(
      Array.from({ length: Math.max(...callers) }, () => connected(cellOf('eu-1').url)),
    );
    try {
      await makeFloor(clients[0]);
      say(`${tenantCount} tenants, one limit each; one moment …`);
      const lines: Line[] = [];
      for (const [name, count] of [
        ['one hot limit', 1] as const,
        ['limits of 100 tenants', tenantCount] as const,
      ])
        for (const atOnce of callers)
          lines.push(
            ...(await compared(name, tenants.slice(0, count), clients.slice(0, atOnce), repetitions)),
          );
      return await report('reserve', lines);
    } finally {
      await clients[0]?.query('DROP TABLE IF EXISTS bench_counters');
      await Promise.all(clients.map((client) => client.end()));
    }
  });
}

async function compared(
  name: string,
  tenants: Place[],
  clients: pg.Client[],
  repetitions: number,
): Promise<Line[]> {
  const floors = clients.map((client) => updating(client, tenants.length));
  const acts = {
    raise: asTenant(tenants, 'raise'),
    hold: asTenant(tenants, 'hold'),
    reserve: reserving(tenants),
    within: within(tenants),
  };
  // As in production, where every connection has met every organisation before.
  for (let at = 0; at < 4_000 / tenants.length; at++)
    for (const act of Object.values(acts)) await Promise.all(tenants.map((_, which) => act(which)));
  const measured = await interleaved(
    [
      { name: 'floor', measure: () => perSecond(floors) },
      ...Object.entries(acts).map(([each, act]) => ({
        name: each,
        measure: () => perSecond(clients.map(() => act)),
      })),
    ],
    repetitions,
    1,
  );
  const valuesOf = (which: string) => measured.get(which) ?? [];
  const floor = valuesOf('floor');
  const what = `${name}, ${clients.length} at once`;
  return [
    { what: `${what}: one conditional UPDATE (floor)`, unit: '/s', values: floor },
    { what: `${what}: the same as the tenant`, unit: '/s', values: valuesOf('raise'), floor },
    { what: `${what}: and a row of who holds it`, unit: '/s', values: valuesOf('hold'), floor },
    { what: `${what}: reserve`, unit: '/s', values: valuesOf('reserve'), floor, budget: { atLeast: 0.7 } },
    { what: `${what}: in an act's own transaction`, unit: '/s', values: valuesOf('within'), floor },
  ];
}

async function limit(place: Place): Promise<void> {
  await inTenant(place, ({ sql }) =>
    sql(
      `INSERT INTO quotas (id, meter, time_window, amount, origin) VALUES ('plan.tokens', 'tokens', 'month', $1, 'plan')
       ON CONFLICT (id) DO UPDATE SET amount = excluded.amount`,
      [plenty],
    ),
  );
}

async function makeFloor(client: pg.Client | undefined): Promise<void> {
  await client?.query(`DROP TABLE IF EXISTS bench_counters;
    CREATE TABLE bench_counters (id integer PRIMARY KEY, used numeric NOT NULL DEFAULT 0,
      reserved numeric NOT NULL DEFAULT 0, amount bigint NOT NULL);
    INSERT INTO bench_counters (id, amount) SELECT i, ${plenty} FROM generate_series(0, ${tenantCount - 1}) AS i`);
}

const raise = `UPDATE bench_counters SET reserved = reserved + $2
  WHERE id = $1 AND used + reserved + $2 <= amount RETURNING id, reserved`;

const updating = (client: pg.Client, count: number): Act => {
  const text = raise;
  return (at) => client.query({ name: 'reserve', text, values: [at % count, 1_000] });
};

const holding = [{ meter: 'tokens.output', amount: 1_000 }] as const;
const budget = JSON.stringify({ 'tokens.output': { left: 1_000, held: 0 } });

/** In the tables of the product, with nothing asked of them but whether it fits. */
const asTenant =
  (tenants: Place[], what: 'raise' | 'hold'): Act =>
  (at) => {
    const place = placeAt(tenants, at);
    const schema = schemaOf(place.tenantId);
    const raised = `UPDATE ${schema}.quota_counters SET reserved = reserved + $2
      WHERE quota_id = $1 AND scope_id = '' AND window_start = date_trunc('month', now(), 'UTC')
        AND used + reserved + $2 <= $3::bigint RETURNING quota_id`;
    const held = `WITH raised AS (${raised}) INSERT INTO ${schema}.quota_reservations (id, holds, budget, expires_at)
      SELECT $4, $5::jsonb, $6::jsonb, now() + interval '600 seconds' FROM raised`;
    const values = ['plan.tokens', 1_000, plenty];
    if (what === 'raise') return decideInTenant(place, [{ text: raised, values }]);
    const more = [randomUUID(), JSON.stringify(holding), budget];
    return decideInTenant(place, [{ text: held, values: [...values, ...more] }]);
  };

const reserving =
  (tenants: Place[]): Act =>
  (at) =>
    reserve(placeAt(tenants, at), { id: randomUUID(), seconds: 600 }, holding);

const within =
  (tenants: Place[]): Act =>
  (at) =>
    inTenant(placeAt(tenants, at), ({ sql }) => reserveIn(sql, { id: randomUUID(), seconds: 600 }, holding));

function placeAt(tenants: Place[], at: number): Place {
  const place = tenants[at % tenants.length];
  if (!place) throw new Error('there are no tenants to reserve for');
  return place;
}

async function perSecond(acts: Act[]): Promise<number> {
  const started = performance.now();
  const end = started + measuredMs;
  let done = 0;
  const caller = async (act: Act, first: number) => {
    for (let at = first * 37; performance.now() < end; at++, done++) await act(at);
  };
  await Promise.all(acts.map(caller));
  return (done * 1_000) / (performance.now() - started);
}
