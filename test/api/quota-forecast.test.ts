import assert from 'node:assert/strict';
import { closeDatabases } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { quotaList } from '../../models/tenant/quota-list.ts';
import { askIn, foresee } from '../../models/tenant/quota-overview.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import type { Dimensions, MeterName } from '../../policies/meters.ts';
import { closeTemporal } from '../../temporal/client.ts';
import { operator } from '../support/client.ts';
import { notified } from '../support/near-limits.ts';
import { type KeyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { requesting, wish } from '../support/quota-requests.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Forecast = { exhausted: boolean; exhaustedAt: string | null; perHour: number; basis: string };
type Quota = { id: string; used: number; shares: { scopeId: string }[]; forecast: Forecast };
type Used = Dimensions & { meter: MeterName; value: number };

const hourMs = 3_600_000;

describe('when limits are used up', () => {
  let acme: Member;
  let admin: KeyHolder;
  let place: Place;
  before(() => useSharedModels());
  beforeEach(async () => {
    acme = await member({ quotas: { runs: 100, storageBytes: 1_000 }, plan: 'team' });
    admin = await signedInPerson(acme.tenant.id, 'admin');
    place = await placed(acme.tenant.id);
  });
  after(() => Promise.all([closeTemporal(), closeDatabases()]));

  const usedAgo = (hours: number, ...uses: Used[]) => {
    const at = new Date(Date.now() - hours * hourMs);
    const readings = uses.map((each) => ({ ...each, at, id: freshSlug('use'), source: 'freehold' }));
    return inTenant(place, ({ sql }) => takeReadings(sql, readings));
  };
  const quotas = async () => {
    const { body } = await acme.call<{ items: Quota[] }>('GET', '/v1/quotas');
    return new Map(body.items.map((each) => [each.id, each]));
  };
  const hoursOff = (iso: string | null | undefined) => (Date.parse(iso ?? '') - Date.now()) / hourMs;
  const madeQuota = async (body: object) =>
    (await acme.call<Quota>('POST', '/v1/quotas', { thresholds: [], ...body })).body;

  it('R5.5 tells of each limit when it is used up, at what rate, and by what that is known', async () => {
    await usedAgo(48, { meter: 'storage.bytes', kind: 'other', value: 100 });
    await usedAgo(0, { meter: 'storage.bytes', kind: 'other', value: 580 });
    const all = await quotas();
    const grows = all.get('plan.storageBytes')?.forecast ?? assert.fail();
    assert.deepEqual([grows.basis, Math.round(grows.perHour)], ['trend', 10]);
    // 420 are left; the level of an hour is that of its beginning, which is up to an hour before.
    assert.ok(Math.abs(hoursOff(grows.exhaustedAt) - 42) < 2, String(grows.exhaustedAt));
    assert.deepEqual(all.get('plan.runs')?.forecast, {
      exhausted: false,
      exhaustedAt: null,
      perHour: 0,
      basis: 'none',
    });
    const one = await acme.call<Quota>('GET', '/v1/quotas/plan.storageBytes');
    assert.equal(one.body.forecast.basis, 'trend');
  });

  it('R5.5 says the same wherever it is said: list, notice, dry run, report, and to operators', async () => {
    for (let hour = 20; hour > 0; hour -= 1) await usedAgo(hour, { meter: 'runs', value: 4 });
    await usedAgo(0, { meter: 'runs', value: 10 });
    const said = (await quotas()).get('plan.runs')?.forecast ?? assert.fail();
    assert.ok(said.perHour > 3 && said.perHour < 6, String(said.perHour));
    const { ask } = requesting(acme.tenant.id, admin);
    const dry = (await ask({ ...wish, amount: 5_000 }, admin, '?dryRun=true')).body;
    const report = await acme.call<{ limits: { id: string; exhaustedAt: string | null }[] }>(
      'GET',
      '/v1/usage/report',
    );
    const path = `/v1/tenants/${acme.tenant.id}/quotas`;
    const operators = await operator().call<{ items: Quota[] }>('GET', path);
    const one = await operator().call<Quota>('GET', `${path}/plan.runs`);
    const told = (await notified(admin)).filter(({ kind }) => kind === 'quota.threshold').at(-1);
    const elsewhere = [
      dry.exhaustedAt.before,
      report.body.limits.find(({ id }) => id === 'plan.runs')?.exhaustedAt,
      operators.body.items.find(({ id }) => id === 'plan.runs')?.forecast.exhaustedAt,
      one.body.forecast.exhaustedAt,
      // At the beginning of a month there is nothing to be told of yet.
      ...(told ? [told.data.exhaustedAt] : []),
    ];
    for (const exhaustedAt of elsewhere) {
      if (said.exhaustedAt === null) assert.equal(exhaustedAt, null);
      else assert.ok(Math.abs(Date.parse(said.exhaustedAt) - Date.parse(String(exhaustedAt))) < 120_000);
    }
    const put = await operator().call<Quota>('PUT', `${path}/plan.runs?dryRun=true`, {
      amount: 50,
      reason: 'less',
    });
    // What is used up is used up now.
    if (put.body.used >= 50)
      assert.deepEqual([put.body.forecast.exhausted, put.body.forecast.exhaustedAt], [true, null]);
  });

  it('R5.5 foresees what is for each of several by whoever is furthest, and nothing for nobody', async () => {
    const { body: agent } = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: 'One',
      model: 'demo',
      tags: ['batch'],
    });
    await usedAgo(
      1,
      { meter: 'tool-calls', value: 10, agentId: agent.id },
      { meter: 'tool-calls', value: 30 },
    );
    const limit = { meter: 'tool-calls', window: 'month', amount: 1_000 };
    const each = await madeQuota({ ...limit, scope: 'agent' });
    const tag = await madeQuota({ ...limit, scope: 'tag', scopeId: 'batch' });
    const all = await madeQuota(limit);
    const key = await madeQuota({ ...limit, scope: 'key' });
    const rolling = await madeQuota({ ...limit, window: 'rolling', windowMinutes: 60 });
    const rates = [each, tag, all, key].map(({ forecast }) => forecast.perHour);
    const [first = 0] = rates;
    assert.ok(first > 4 && first <= 10, String(first));
    assert.deepEqual(
      rates.map((rate) => Math.round((rate / first) * 100)),
      [100, 100, 400, 0],
    );
    assert.deepEqual(rolling.forecast, {
      exhausted: false,
      exhaustedAt: null,
      perHour: 0,
      basis: 'none',
    });
  });

  it('R5.5 asks one question more for however many limits there are', async () => {
    for (let at = 0; at < 30; at += 1)
      await madeQuota({
        meter: 'tool-calls',
        window: 'day',
        scope: 'tag',
        scopeId: `tag-${at}`,
        amount: at + 1,
      });
    const ask = askIn(place);
    let asked = 0;
    const counting: typeof ask = (statement) => {
      asked += 1;
      return ask(statement);
    };
    const rows = await counting(quotaList(place.tenantId));
    const found = await foresee(counting, place.tenantId, rows);
    assert.ok(found.length > 30);
    assert.equal(asked, 2);
  });
});
