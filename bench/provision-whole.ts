import { EventEmitter, once } from 'node:events';
import { Client, Connection } from '@temporalio/client';
import { cellOf } from '../models/databases.ts';
import { newId } from '../models/ids.ts';
import { send } from '../test/support/client.ts';
import { operatorKey, startApi, startWorker } from '../test/support/installation.ts';
import { asked as askedFor, type Followed, freshSlug, type Shown } from '../test/support/tenants.ts';
import type { BareInput } from './bare-worker.ts';
import type { bare } from './bare-workflow.ts';
import { type Bench, say } from './equipment.ts';
import { connected, newPlaces } from './fill.ts';
import { forked } from './forked.ts';
import { interleaved, milliseconds } from './statistics.ts';
import type { Line } from './table.ts';

/**
 * From POST /v1/tenants until the tenant's row says active, against a bare workflow of as many activities, one of
 * which runs the bare DDL: same Temporal server, same cell, workers in processes of their own. The database itself
 * tells when a tenant became active, so that no polling is measured.
 */
const taskQueue = 'bench-bare';
const atOnce = 8;
const perRound = 24;

type Making = () => Promise<unknown>;

export async function wholeLines({ settings, config }: Bench, repetitions: number): Promise<Line[]> {
  const { address, namespace } = config.temporal;
  const production = { ...settings, NODE_ENV: 'production' };
  const key = await operatorKey(settings);
  const processes = await Promise.all([startWorker(production), startApi(production)]);
  const bareWorker = forked(new URL('./bare-worker.ts', import.meta.url));
  const connection = await Connection.connect({ address });
  const active = await activeTenants(config.systemUrl);
  try {
    await bareWorker.ask<string>({ address, namespace, taskQueue, adminUrl: cellOf('eu-1').url });
    const caller = { url: config.publicUrl, key };
    const product = () => provision(caller, active.events);
    const steps = await stepsOf(caller, await product());
    const floor = () => runBare(new Client({ connection, namespace }), steps);
    say(`${steps} steps; one tenant at a time, then ${perRound} tenants ${atOnce} at once …`);
    return await measured(floor, product, repetitions);
  } finally {
    bareWorker.process.disconnect();
    await Promise.all([...processes.map((each) => each.stop()), bareWorker.stop()]);
    await Promise.all([connection.close(), active.end()]);
  }
}

async function measured(floor: Making, product: Making, repetitions: number): Promise<Line[]> {
  const single = await interleaved(
    [
      { name: 'floor', measure: () => milliseconds(floor) },
      { name: 'product', measure: () => milliseconds(product) },
    ],
    repetitions * 2,
    3,
  );
  const many = await interleaved(
    [
      { name: 'floor', measure: () => perSecond(floor) },
      { name: 'product', measure: () => perSecond(product) },
    ],
    Math.ceil(repetitions / 3),
    1,
  );
  const of = (results: Map<string, number[]>, name: string) => results.get(name) ?? [];
  return [
    { what: 'one at a time: bare workflow + bare DDL (floor)', unit: 'ms', values: of(single, 'floor') },
    {
      what: 'one at a time: POST /v1/tenants → active',
      unit: 'ms',
      values: of(single, 'product'),
      floor: of(single, 'floor'),
      budget: { atMost: 1.5 },
    },
    { what: `${atOnce} at once: bare workflow + bare DDL (floor)`, unit: '/s', values: of(many, 'floor') },
    {
      what: `${atOnce} at once: POST /v1/tenants → active`,
      unit: '/s',
      values: of(many, 'product'),
      floor: of(many, 'floor'),
      budget: { atLeast: 0.6 },
    },
  ];
}

async function perSecond(make: Making): Promise<number> {
  let left = perRound;
  const took = await milliseconds(() =>
    Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await make();
      }),
    ),
  );
  return (perRound * 1_000) / took;
}

type Caller = { url: string; key: string };

async function provision({ url, key }: Caller, events: EventEmitter): Promise<Shown> {
  const headers = { authorization: `Bearer ${key}` };
  const reply = await send<Shown>(url, 'POST', '/v1/tenants', askedFor(freshSlug('bench')), headers);
  if (reply.status !== 202) throw new Error(`onboarding answered ${reply.status}: ${reply.text}`);
  const { id } = reply.body;
  if (!events.emit('asked', id)) throw new Error('nobody watches');
  await once(events, id, { signal: AbortSignal.timeout(60_000) });
  return reply.body;
}

async function stepsOf({ url, key }: Caller, { operation }: Shown): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  const { body } = await send<Followed>(url, 'GET', operation.href, undefined, headers);
  return body.steps.length;
}

async function runBare(client: Client, steps: number): Promise<void> {
  const [place] = newPlaces(1, 'eu-1');
  if (!place) throw new Error('there is no place');
  const input: BareInput = { place, steps };
  await client.workflow.execute<typeof bare>('bare', { workflowId: newId('op'), taskQueue, args: [input] });
}

/** Emits the id of each tenant that becomes active, and again when asked for one that already is. */
async function activeTenants(systemUrl: string): Promise<{ events: EventEmitter; end: () => Promise<void> }> {
  const client = await connected(systemUrl);
  await client.query(`
    CREATE FUNCTION public.bench_tell() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_notify('bench_active', NEW.id); RETURN NULL; END $$;
    CREATE TRIGGER bench_tell AFTER UPDATE OF state ON tenants FOR EACH ROW WHEN (NEW.state = 'active')
      EXECUTE FUNCTION public.bench_tell();
    LISTEN bench_active`);
  const events = new EventEmitter().setMaxListeners(0);
  const told = new Set<string>();
  client.on('notification', ({ payload = '' }) => {
    told.add(payload);
    events.emit(payload);
  });
  events.on('asked', (id: string) => {
    if (told.has(id)) setImmediate(() => events.emit(id));
  });
  return { events, end: () => client.end() };
}
