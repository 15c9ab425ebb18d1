import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inSystem, sqlState } from '../../models/scope.ts';
import { mirrorUsage } from '../../models/tenant/usage-mirroring.ts';
import { operator } from '../support/client.ts';
import { placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Seeded, seedUsage } from '../support/seeded-meter.ts';
import { type Member, member, twoTenants } from '../support/tenants.ts';

type Series = { meter: string; of: string | null; values: (number | null)[] };
type Totals = {
  series: Series[];
  buckets: object[];
  freshness: { tenants: number; missing: number; oldest: string; next: string };
};
type Ranked = { items: { tenantId: string; used: number; before: number; growth: number | null }[] };
type Noisy = {
  items: { tenantId: string; weightShare: number; noise: number; shares: Record<string, number> }[];
};
const dayMs = 86_400_000;
const today = Math.floor(Date.now() / dayMs) * dayMs;
const at = (daysAgo: number) => today - daysAgo * dayMs + 1;
const dayOf = (daysAgo: number) => new Date(at(daysAgo)).toISOString().slice(0, 10);

describe('what all organisations used', () => {
  let acme: Member;
  let globex: Member;

  const mirrored = async (who: Member, readings: Seeded[]) => {
    const place = await placed(who.tenant.id);
    await seedUsage(place, readings);
    await mirrorUsage(place);
  };
  const ask = <T>(path: string, who: Pick<Member, 'call'> = operator()) =>
    who.call<T>('GET', `/v1/platform/usage${path}`);
  const of = (who: Member, more = '') =>
    `tenantId=${who.tenant.id}&from=${dayOf(9)}&until=${dayOf(-1)}${more}`;

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    const agentId = newId('agt');
    await mirrored(acme, [
      { meter: 'tokens.input', at: at(12), value: 100, agentId },
      { meter: 'tokens.input', at: at(2), value: 300, agentId, model: 'demo' },
      { meter: 'tokens.input', at: at(1), value: 50, agentId },
      { meter: 'storage.bytes', at: at(5), value: 9_000, kind: 'runs' },
      { meter: 'storage.bytes', at: at(4), value: 0, kind: 'runs' },
      { meter: 'compute.database-seconds', at: at(1), value: 1_000_000_000 },
    ]);
    await mirrored(globex, [{ meter: 'tokens.input', at: at(1), value: 7 }]);
  });

  it('R5.5 refuses a cell, region or plan that there is none of, and names those there are', async () => {
    for (const query of ['cell=mars', 'region=mars', 'plan=mars']) {
      const { status, text } = await ask(`/neighbours?${query}`);
      assert.equal(status, 400, query);
      assert.match(text, /must be one of the (cells: eu-1|regions: eu|plans: free)/);
    }
  });

  it('R5.5 is added up by the day, and shown by region, plan, cell and organisation', async () => {
    const { status, body, text } = await ask<Totals>(`?meter=tokens.input&by=tenant&${of(acme)}`);
    assert.equal(status, 200, text);
    assert.equal(body.buckets.length, 10);
    assert.deepEqual(
      body.series.map((each) => [each.of, each.values]),
      [[acme.tenant.id, [0, 0, 0, 0, 0, 0, 0, 300, 50, 0]]],
    );
    assert.deepEqual([body.freshness.tenants, body.freshness.missing], [1, 0]);
    assert.ok(Date.parse(body.freshness.oldest) > today - dayMs);
    assert.match(body.freshness.next, /:00:00.000Z$/);
    for (const by of ['region', 'plan', 'cell']) {
      const together = await ask<Totals>(`?meter=tokens.input&by=${by}&from=${dayOf(1)}&until=${dayOf(0)}`);
      const all = together.body.series
        .flatMap(({ values }) => values)
        .reduce<number>((sum, each) => sum + (each ?? 0), 0);
      assert.ok(all >= 57, `${by}: ${all}`);
    }
    const months = await ask<Totals>(`?meter=tokens.input&bucket=month&${of(acme)}`);
    assert.equal(
      months.body.series[0]?.values.reduce<number>((sum, each) => sum + (each ?? 0), 0),
      350,
    );
  });

  it('R5.5 knows of levels what they came to, nothing being something', async () => {
    const { body } = await ask<Totals>(`?meter=storage.bytes&${of(acme)}`);
    assert.deepEqual(body.series[0]?.values, [null, null, null, null, 9_000, 0, 0, 0, 0, 0]);
    const { body: weeks } = await ask<Totals>(`?meter=storage.bytes&bucket=month&${of(acme)}`);
    assert.equal(weeks.series[0]?.values.at(-1), 0);
  });

  it('R5.5 is mirrored as it is, however often, and follows what changes', async () => {
    const place = await placed(globex.tenant.id);
    const total = async () => (await ask<Totals>(`?meter=tokens.input&${of(globex)}`)).body.series[0]?.values;
    const before = await total();
    await mirrorUsage(place);
    assert.deepEqual(await total(), before);
    await mirrored(globex, [{ meter: 'tokens.input', at: at(3), value: 5 }]);
    assert.deepEqual(await total(), [0, 0, 0, 0, 0, 0, 5, 0, 7, 0]);
    // What was read earlier does not overwrite what was read later.
    await mirrorUsage(place, Date.now() - 3_600_000);
    assert.deepEqual(await total(), [0, 0, 0, 0, 0, 0, 5, 0, 7, 0]);
  });

  it('R5.5 ranks organisations by use and by growth', async () => {
    const { body } = await ask<Ranked>(`/rankings?${of(acme)}`);
    assert.deepEqual(
      body.items.map(({ tenantId, used, before, growth }) => [tenantId, used, before, growth]),
      [[acme.tenant.id, 350, 100, 2.5]],
    );
    const all = await ask<Ranked>(`/rankings?order=growth&limit=200&from=${dayOf(9)}&until=${dayOf(-1)}`);
    const growth = all.body.items.map((item) => item.growth ?? Number.NEGATIVE_INFINITY);
    assert.deepEqual(
      growth,
      [...growth].sort((a, b) => b - a),
    );
    const still = await member();
    const idle = () => ask<Ranked>(`/rankings?order=idle&tenantId=${still.tenant.id}`);
    assert.deepEqual((await idle()).body.items, [], 'nothing is known of it yet');
    await mirrored(still, []);
    assert.deepEqual((await idle()).body.items[0]?.used, 0);
    const refused = await ask<{ errors: { detail: string }[] }>('/rankings?meter=seats');
    assert.equal(refused.status, 400);
    assert.match(refused.body.errors[0]?.detail ?? '', /is not added up/);
  });

  it('R5.5 R10.2 finds who takes more of a cell than their plan gives them', async () => {
    const { body } = await ask<Noisy>(`/neighbours?${of(acme)}`);
    const [noisy] = body.items;
    assert.equal(noisy?.tenantId, acme.tenant.id);
    assert.ok((noisy?.shares['compute.database-seconds'] ?? 0) > 0.9);
    assert.ok((noisy?.noise ?? 0) >= 1);
  });

  it('R5.5 leads down to one organisation, without telling who of its people and which of its agents', async () => {
    const path = `/v1/tenants/${acme.tenant.id}/usage?meter=tokens.input&from=${dayOf(3)}&until=${dayOf(-1)}`;
    const { status, body, text } = await operator().call<{ series: { of: object; total: number }[] }>(
      'GET',
      `${path}&groupBy=model`,
    );
    assert.equal(status, 200, text);
    assert.deepEqual(
      body.series.map((each) => [each.of, each.total]),
      [
        [{ model: 'demo' }, 300],
        [{ model: '' }, 50],
      ],
    );
    assert.ok(!text.includes('agt_') && !text.includes('names'));
    for (const word of ['agent', 'user', 'key', 'run', 'workflow'])
      assert.equal((await operator().call('GET', `${path}&groupBy=${word}`)).status, 400);
    assert.equal((await operator().call('GET', `${path}&agentId=${newId('agt')}`)).status, 400);
  });

  it('R2.1 R5.5 is nothing that an organisation sees of another, or of all', async () => {
    const owner = await signedInPerson(globex.tenant.id, 'owner');
    for (const path of ['', '/rankings', '/neighbours', '/right-sizing'])
      for (const who of [owner, globex]) assert.equal((await ask(path, who)).status, 403);
    for (const id of [acme.tenant.id, globex.tenant.id])
      assert.notEqual((await owner.call('GET', `/v1/tenants/${id}/usage`)).status, 200);
    const seen = await inSystem(globex.tenant.id, ({ sql }) =>
      sql('SELECT DISTINCT tenant_id FROM tenant_usage_days'),
    );
    assert.deepEqual(seen, [{ tenant_id: globex.tenant.id }]);
    const others = inSystem(globex.tenant.id, ({ sql }) =>
      sql("INSERT INTO tenant_usage_days VALUES ($1, now(), 'runs', 1)", [acme.tenant.id]),
    );
    assert.equal(await others.catch(sqlState), '42501');
    const taken = await inSystem(globex.tenant.id, ({ sql }) =>
      sql('UPDATE tenant_usage_days SET value = 0 WHERE tenant_id = $1 RETURNING 1', [acme.tenant.id]),
    );
    assert.deepEqual(taken, []);
  });
});
