import type pg from 'pg';
import { cellOf } from '../models/databases.ts';
import { schemaOf } from '../models/ids.ts';
import { inTenant, type Place } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import type { Reading } from '../models/tenant/usage.ts';
import { ingestReadings } from '../models/tenant/usage-ingest.ts';
import { copyIn } from './copying.ts';
import { say, withEquipment } from './equipment.ts';
import { connected, furnishedTenants } from './fill.ts';
import { interleaved } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * Readings taken into one tenant's meter, a thousand in each transaction: as the tenant, behind row-level security,
 * each once by its key, summed by hour and day. Against COPY of as many rows of the same columns by the administrator,
 * into a table whose keys are unique as well, with no role, no policy and no sums.
 */
const batchRows = 1_000;
const batches = 20;
const agents = 20;
const lastMs = 15 * 60_000;

let made = 0;

/** The last quarter of an hour of twenty agents: what is new and its stragglers. */
function readings(count: number, agentIds: string[]): Reading[] {
  const now = Date.now();
  return Array.from({ length: count }, () => {
    const n = made++;
    return {
      source: 'bench',
      id: `event-${n}`,
      meter: n % 2 === 0 ? 'tokens.input' : 'tokens.output',
      value: n % 4_000,
      at: new Date(now - ((n * 7_919) % lastMs)),
      agentId: agentIds[n % agentIds.length],
      model: 'demo',
      runId: `run_${n % 300}`,
    };
  });
}

export async function benchIngest({ repetitions }: { repetitions: number }): Promise<boolean> {
  return withEquipment(async () => {
    const [tenant] = await furnishedTenants('eu', 'eu-1', 1, agents);
    if (!tenant) throw new Error('no tenant was made');
    const { place, agentIds } = tenant;
    const client = await connected(cellOf(place.cell).url);
    await client.query(
      'CREATE TABLE floor (LIKE usage_events); CREATE UNIQUE INDEX ON floor (key)'.replace(
        'usage',
        `${schemaOf(place.tenantId)}.usage`,
      ),
    );
    say(`${batches} batches of ${batchRows}; one moment …`);
    try {
      const batch = () => readings(batchRows, agentIds);
      const product = (atOnce: number) => () => perSecond(atOnce, () => take(place, batch()));
      const results = await interleaved(
        [
          { name: 'copy', measure: () => perSecond(1, () => copy(client, batch())) },
          { name: 'one', measure: product(1) },
          { name: 'two', measure: product(2) },
          { name: 'twice', measure: () => perSecond(1, () => takeTwice(place, batch())) },
        ],
        repetitions,
        1,
      );
      await agree(place);
      return await report(
        'ingest',
        lines((name) => results.get(name) ?? []),
      );
    } finally {
      await client.end();
    }
  });
}

function lines(values: (name: string) => number[]): Line[] {
  const floor = values('copy');
  return [
    { what: 'COPY as administrator, unique key (floor)', unit: '/s', values: floor },
    {
      what: 'into the meter, one at a time',
      unit: '/s',
      values: values('one'),
      floor,
      budget: { atLeast: 0.6 },
    },
    { what: 'into the meter, two at a time', unit: '/s', values: values('two'), floor },
    { what: 'every batch sent twice, one at a time', unit: '/s', values: values('twice'), floor },
  ];
}

async function perSecond(atOnce: number, act: () => Promise<unknown>): Promise<number> {
  let left = batches;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await act();
    }),
  );
  return (batches * batchRows * 1_000) / (performance.now() - started);
}

const take = (place: Place, batch: Reading[]) => inTenant(place, ({ sql }) => ingestReadings(sql, batch));

async function takeTwice(place: Place, batch: Reading[]): Promise<void> {
  await take(place, batch);
  await take(place, batch);
}

async function copy(client: pg.Client, batch: Reading[]): Promise<void> {
  const rows = batch.map(
    ({ source, id, at, value, runId }) =>
      `${digest(`${source}\0${id}`).slice(0, 32)}\t1\t${at.toISOString()}\t${value}\t\\N\t${runId}\t${at.toISOString()}\n`,
  );
  await copyIn(client, 'COPY floor FROM STDIN', rows.join(''));
}

/** A rate of readings that were not all counted would say nothing. */
async function agree(place: Place): Promise<void> {
  const [row] = await inTenant(place, ({ sql }) =>
    sql<{ agree: boolean }>(
      `SELECT (SELECT sum(value) FROM usage_events) = (SELECT sum(value) FROM usage_hours)
        AND (SELECT sum(value) FROM usage_hours) = (SELECT sum(value) FROM usage_days)
        AND (SELECT count(*) FROM usage_events) = (SELECT sum(events) FROM usage_days) AS agree`,
    ),
  );
  if (!row?.agree) throw new Error('the sums of readings, hours and days are not the same');
}
