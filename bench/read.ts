import type pg from 'pg';
import { cellOf } from '../models/databases.ts';
import { schemaOf } from '../models/ids.ts';
import { readInTenant } from '../models/scope.ts';
import { agentById } from '../models/tenant/agent.ts';
import { credentialByToken } from '../models/tenant/credential.ts';
import { say, withEquipment } from './equipment.ts';
import { connected, type Furnished, furnishedTenants, readerUrl } from './fill.ts';
import { interleaved, median } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * One row inside a tenant: the product's one round trip, against a bare read (named statement, autocommit, as the
 * administrator, for whom row-level security does not exist) and against the wall made of pipelined statements.
 */
const tenantCount = 20;
const agentsEach = 200;
const atOnce = 8;
const latencyReads = 1_000;
const throughputMs = 1_000;

type Read = (tenant: Furnished, id: string) => Promise<unknown>;
/** A reader for each of the callers; the product's share its pools. */
type Kind = { name: string; readers: Read[] };

export async function benchRead({ repetitions }: { repetitions: number }): Promise<boolean> {
  return withEquipment(async () => {
    const tenants = await furnishedTenants('eu', 'eu-1', tenantCount, agentsEach);
    const clients: pg.Client[] = [];
    const kinds = await kindsOf(tenants, clients);
    say(`${tenantCount} tenants of ${agentsEach} agents; one moment …`);
    try {
      for (const { readers } of kinds) for (const read of readers) await readMany(read, tenants, 400);
      const latency = await interleaved(
        kinds.map(({ name, readers: [read] }) => ({ name, measure: () => latencyOf(read, tenants) })),
        repetitions,
        1,
      );
      const throughput = await interleaved(
        kinds.map(({ name, readers }) => ({ name, measure: () => perSecond(readers, tenants) })),
        repetitions,
        1,
      );
      return await report('read', lines(latency, throughput));
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  });
}

function lines(latency: Map<string, number[]>, throughput: Map<string, number[]>): Line[] {
  const us = (name: string) => latency.get(name) ?? [];
  const rate = (name: string) => throughput.get(name) ?? [];
  const [floorUs, floorRate] = [us('pipelined'), rate('bare')];
  return [
    { what: 'latency: bare autocommit read', unit: 'µs', values: us('bare'), floor: floorUs },
    { what: 'latency: role + context + row, pipelined (floor)', unit: 'µs', values: floorUs },
    {
      what: 'latency: readInTenant, row',
      unit: 'µs',
      values: us('row'),
      floor: floorUs,
      budget: { atMost: 1.5 },
    },
    {
      what: 'latency: readInTenant, credential + row',
      unit: 'µs',
      values: us('whole'),
      floor: floorUs,
      budget: { atMost: 1.5 },
    },
    { what: `throughput at ${atOnce}: bare autocommit read (floor)`, unit: '/s', values: floorRate },
    { what: `throughput at ${atOnce}: pipelined`, unit: '/s', values: rate('pipelined'), floor: floorRate },
    {
      what: `throughput at ${atOnce}: readInTenant, row`,
      unit: '/s',
      values: rate('row'),
      floor: floorRate,
      budget: { atLeast: 0.45 },
    },
    {
      what: `throughput at ${atOnce}: readInTenant, credential + row`,
      unit: '/s',
      values: rate('whole'),
      floor: floorRate,
      budget: { atLeast: 0.45 },
    },
  ];
}

async function kindsOf(tenants: Furnished[], clients: pg.Client[]): Promise<Kind[]> {
  const adminUrl = cellOf('eu-1').url;
  const bare = async (): Promise<Read> => {
    const client = await connected(adminUrl);
    clients.push(client);
    return ({ place }, id) => {
      const { text, values } = agentById(place.tenantId, id);
      return client.query({ name: place.tenantId, text, values });
    };
  };
  const row: Read = ({ place }, id) => readInTenant(place, [agentById(place.tenantId, id)]);
  const whole: Read = ({ place, tokenHash }, id) =>
    readInTenant(place, [credentialByToken(place.tenantId, 'key', tokenHash), agentById(place.tenantId, id)]);
  const each = (make: () => Promise<Read>) => Promise.all(Array.from({ length: atOnce }, make));
  return [
    { name: 'bare', readers: await each(bare) },
    { name: 'pipelined', readers: await each(() => pipelined(tenants, clients)) },
    { name: 'row', readers: await each(async () => row) },
    { name: 'whole', readers: await each(async () => whole) },
  ];
}

/** One connection for each login, because a login may become its own tenants only. */
async function pipelined(tenants: Furnished[], clients: pg.Client[]): Promise<Read> {
  const byLogin = new Map<number, pg.Client>();
  for (const { place } of tenants) {
    if (byLogin.has(place.login)) continue;
    const client = await connected(readerUrl(place), { pipeline: true });
    byLogin.set(place.login, client);
    clients.push(client);
  }
  return async ({ place: { tenantId, login } }, id) => {
    const client = byLogin.get(login);
    const { text, values } = agentById(tenantId, id);
    const [, found] = await Promise.all([
      client?.query(
        `BEGIN;SET LOCAL ROLE ${schemaOf(tenantId)};SELECT set_config('app.tenant','${tenantId}',true)`,
      ),
      client?.query({ name: tenantId, text, values }),
      client?.query('COMMIT'),
    ]);
    return found;
  };
}

function pick(tenants: Furnished[], turn: number): [Furnished, string] {
  const tenant = tenants[(turn * 7) % tenants.length];
  const id = tenant?.agentIds[(turn * 13) % agentsEach];
  if (!tenant || !id) throw new Error('there are no tenants to read from');
  return [tenant, id];
}

async function readMany(read: Read, tenants: Furnished[], count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await read(...pick(tenants, turn));
}

/** The median over many reads, one after the other. */
async function latencyOf(read: Read | undefined, tenants: Furnished[]): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < latencyReads; turn++) {
    const started = performance.now();
    await read?.(...pick(tenants, turn));
    times.push((performance.now() - started) * 1_000);
  }
  return median(times);
}

async function perSecond(readers: Read[], tenants: Furnished[]): Promise<number> {
  const started = performance.now();
  const end = started + throughputMs;
  let reads = 0;
  const caller = async (read: Read, at: number) => {
    for (let turn = at * 1_000; performance.now() < end; turn++, reads++) await read(...pick(tenants, turn));
  };
  await Promise.all(readers.map(caller));
  return (reads * 1_000) / (performance.now() - started);
}
