import type pg from 'pg';
import { cellOf } from '../models/databases.ts';
import { schemaOf } from '../models/ids.ts';
import { readInTenant } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import { agentList } from '../models/tenant/agent.ts';
import { asCredential, credentialByToken } from '../models/tenant/credential.ts';
import { rightsOf } from '../models/tenant/rights.ts';
import { visibleTo } from '../models/visible.ts';
import { startApi } from '../test/support/installation.ts';
import { say, withEquipment } from './equipment.ts';
import { connected, type Furnished, furnishedTenants, readerUrl } from './fill.ts';
import { type Forked, forked } from './forked.ts';
import { handWritten, shownMax } from './hand-written.ts';
import { perSecond } from './loading.ts';
import { call, type Person, person } from './people.ts';
import { interleaved, median } from './statistics.ts';
import { type Line, report } from './table.ts';

/**
 * The first 50 of 100,000 agents that a custom role with conditions lets somebody see, against the same SQL written
 * by hand and run as the administrator, for whom row-level security does not exist: bare, and behind Express with the
 * session looked up. A deny on an environment, one's own, and one tag in twenty: most rows are passed over.
 */
const agentCount = 100_000;
const connections = 8;
const latencyReads = 100;
const budget = { atMost: 1.3 };
const rateBudget = { atLeast: 0.77 };

const role = {
  name: 'front-desk',
  title: 'Front desk',
  rules: [
    { effect: 'allow', action: 'read', subject: 'Agent', when: { ownerId: 'me' } },
    { effect: 'allow', action: 'read', subject: 'Agent', when: { tags: { any: ['tag-7'] } } },
    { effect: 'deny', action: 'read', subject: 'Agent', when: { environment: { any: ['development'] } } },
  ],
};

export async function benchList(asked: { repetitions: number; seconds: number }): Promise<boolean> {
  return withEquipment(async ({ settings }) => {
    const [tenant] = await furnishedTenants('eu', 'eu-1', 1, 0);
    if (!tenant) throw new Error('no tenant was made');
    const url = settings.FREEHOLD_PUBLIC_URL ?? '';
    const [api, peers, load] = [
      await startApi({ ...settings, NODE_ENV: 'production' }),
      forked(new URL('./http-peers.ts', import.meta.url)),
      forked(new URL('./load.ts', import.meta.url)),
    ];
    const hand = await connected(cellOf(tenant.place.cell).url);
    try {
      const who = await reader(tenant, url);
      const port = await peers.ask<number>({
        urls: { [tenant.place.tenantId]: cellOf(tenant.place.cell).url },
      });
      await sameRows(hand, tenant, who, url);
      say(`${agentCount.toLocaleString('en')} agents, ${connections} connections; one moment …`);
      const from = (base: string) => () => listing(load, base, who.token, asked.seconds);
      const results = await interleaved(
        [
          { name: 'hand', measure: () => latencyOf(() => byHand(hand, tenant, who)) },
          { name: 'model', measure: () => latencyOf(() => byRights(tenant, who)) },
          { name: 'peer', measure: from(`http://127.0.0.1:${port}`) },
          { name: 'product', measure: from(url) },
        ],
        asked.repetitions,
        1,
      );
      return await report(
        'list',
        lines((name) => results.get(name) ?? []),
      );
    } finally {
      await Promise.all([api.stop(), peers.stop(), load.stop(), hand.end()]);
    }
  });
}

function lines(values: (name: string) => number[]): Line[] {
  const [floor, floorRate] = [values('hand'), values('peer')];
  return [
    { what: 'the SQL by hand, bare (floor)', unit: 'µs', values: floor },
    { what: 'credential, rights and list, readInTenant', unit: 'µs', values: values('model'), floor, budget },
    { what: 'the SQL by hand behind Express (floor)', unit: 'req/s', values: floorRate },
    {
      what: 'GET /v1/agents with a conditional role',
      unit: 'req/s',
      values: values('product'),
      floor: floorRate,
      budget: rateBudget,
    },
  ];
}

/** Somebody with the conditional role, made through the API; and the agents, past it. */
async function reader(tenant: Furnished, url: string): Promise<Person> {
  const owner = await person(tenant, { role: 'owner' });
  await call(url, owner.token, 'POST', '/v1/roles', role);
  const who = await person(tenant, { role: role.name });
  const client = await connected(readerUrl(tenant.place));
  const { tenantId } = tenant.place;
  // Every hundredth is one's own, one in twenty carries the tag, a third are for development.
  await client.query(`BEGIN; SET LOCAL ROLE ${schemaOf(tenantId)};
    SELECT set_config('app.tenant', '${tenantId}', true);
    INSERT INTO ${schemaOf(tenantId)}.agents (id, name, name_key, description, model, tags, environment, owner_id)
    SELECT 'agt_' || lpad(n::text, 26, '0'), 'Agent ' || n, 'agent ' || n, 'Answers questions about orders', 'demo',
      ARRAY['tag-' || n % 20], (ARRAY['development', 'staging', 'production'])[n % 3 + 1],
      CASE WHEN n % 100 = 0 THEN '${who.id}' END
    FROM generate_series(1, ${agentCount}) n; COMMIT`);
  await client.end();
  const administrator = await connected(cellOf(tenant.place.cell).url);
  await administrator.query(`ANALYZE ${schemaOf(tenantId)}.agents`);
  await administrator.end();
  return who;
}

async function byHand(client: pg.Client, { place: { tenantId } }: Furnished, who: Person) {
  const text = handWritten(schemaOf(tenantId));
  const found = await client.query<{ id: string }>({ name: 'list', text, values: [who.id] });
  return found.rows.map(({ id }) => id);
}

/** As api/tenant-route.ts reads a list: with the rights of last time, checked by the credential of the same batch. */
async function byRights({ place }: Furnished, who: Person) {
  const { tenantId } = place;
  const standing = credentialByToken(tenantId, 'ses', digest(who.token));
  const ask = async (statement: typeof standing) => (await readInTenant(place, [statement]))[0] ?? [];
  const known = last ?? (await rightsOf(tenantId, credentialIn(await ask(standing)), ask));
  const visible = visibleTo(known, 'Agent', [who.id]);
  const [rows, found = []] = await readInTenant(place, [
    standing,
    agentList(tenantId, {}, visible, { limit: shownMax + 1 }),
  ]);
  last = await rightsOf(tenantId, credentialIn(rows), ask);
  if (last !== known) throw new Error('the rights changed under the bench');
  return found.map((row) => String(row.id));
}

let last: Awaited<ReturnType<typeof rightsOf>> | undefined;

function credentialIn(rows: Parameters<typeof asCredential>[0][] | undefined) {
  const credential = asCredential(rows?.[0]);
  if (!credential) throw new Error('the session of the bench is not valid');
  return credential;
}

/** A ratio of two different answers would say nothing. */
async function sameRows(client: pg.Client, tenant: Furnished, who: Person, url: string): Promise<void> {
  const hand = await byHand(client, tenant, who);
  const model = await byRights(tenant, who);
  const response = await call(url, who.token, 'GET', `/v1/agents?limit=${shownMax}`);
  const { items } = (await response.json()) as { items: { id: string }[] };
  const shown = items.map(({ id }) => id);
  if (hand.join() !== model.join() || hand.slice(0, shownMax).join() !== shown.join())
    throw new Error('the lists by hand, by the models and over HTTP are not the same');
}

async function latencyOf(act: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < latencyReads; turn++) {
    const started = performance.now();
    await act();
    times.push((performance.now() - started) * 1_000);
  }
  return median(times);
}

function listing(load: Forked, url: string, token: string, seconds: number): Promise<number> {
  return perSecond(load, {
    url,
    paths: [{ path: `/v1/agents?limit=${shownMax}`, token }],
    connections,
    seconds,
  });
}
