import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import { added } from '../support/llm.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { limited } from '../support/restrictions.ts';
import { type Member, member } from '../support/tenants.ts';
import { reading } from '../support/usage.ts';

type Ladder = { version: number; rungs: { at: number; measure: string }[]; author: { id: string } | null };
type Simulation = {
  episodes: {
    measure: string;
    quotaId: string;
    from: string;
    until: string | null;
    runs: { share: number };
  }[];
  left: { quotaId: string }[];
};
type Faults = { errors: { pointer: string; code: string }[] };

describe('the usage ladder', () => {
  let acme: Member;
  const daily = newId('qta');
  before(async () => {
    useSharedModels();
    acme = await member();
    // In any hour of a month, the day before lies in it.
    await limited(acme.tenant.id, {
      id: daily,
      meter: 'runs',
      window: 'rolling',
      windowMinutes: 1_440,
      amount: 100,
    });
  });

  const put = <T = Ladder>(rungs: unknown[], query = '', headers: Record<string, string> = {}) =>
    acme.call<T>('PUT', `/v1/usage-ladder${query}`, { rungs, reason: 'a test' }, headers);
  const use = async (value: number, at: Date, more: object = {}) =>
    inTenant(await placed(acme.tenant.id), ({ sql }) =>
      takeReadings(sql, [reading({ meter: 'runs', value, at, ...more })]),
    );

  it('R5.4 is there before anybody says anything, and what somebody says becomes a version of it', async () => {
    const first = await acme.call<Ladder>('GET', '/v1/usage-ladder');
    assert.deepEqual(
      first.body.rungs.map(({ at, measure }) => [at, measure]),
      [
        [80, 'warn'],
        [95, 'slow'],
        [100, 'refuse'],
      ],
    );
    assert.deepEqual([first.body.version, first.body.author], [0, null]);
    const changed = await put([{ at: 90, measure: 'queue' }], '', { 'If-Match': '"0"' });
    assert.deepEqual([changed.status, changed.body.version], [200, 1], changed.text);
    assert.deepEqual(changed.body.rungs, [{ at: 90, quota: 'any', measure: 'queue' }]);
    assert.equal((await put([], '', { 'If-Match': '"0"' })).status, 412);
    const again = await put([{ at: 90, measure: 'queue' }]);
    assert.equal(again.body.version, 1, 'what says nothing new is no version');
    const { body } = await acme.call<{ items: Ladder[] }>('GET', '/v1/usage-ladder/versions');
    assert.deepEqual(
      body.items.map(({ version }) => version),
      [1],
    );
  });

  it('R5.4 is refused with every fault at once', async () => {
    const shape = await put<Faults>([
      { at: 0, measure: 'warn' },
      { at: 90, measure: 'slow', factor: 3 },
      { at: 90, measure: 'explode' },
    ]);
    assert.equal(shape.status, 400);
    assert.deepEqual(
      shape.body.errors.map(({ pointer }) => pointer),
      ['/rungs/0/at', '/rungs/1/factor', '/rungs/2/measure'],
    );
    const meaning = await put<Faults>([
      { at: 90, quota: 'plan.seats', measure: 'slow', factor: 0.5 },
      { at: 90, quota: 'qta_01k9a00000000000000000000a', measure: 'queue' },
    ]);
    assert.equal(meaning.status, 422);
    assert.deepEqual(
      meaning.body.errors.map(({ pointer }) => pointer),
      ['/rungs/0/measure', '/rungs/1/quota'],
    );
  });

  it('R5.4 names no model that no provider offers, and warns of one that nobody can know of', async () => {
    type Warned = Ladder & { warnings: string[] };
    const rung = { at: 90, measure: 'cheaper-model', models: [{ from: 'demo', to: 'nonexistent-9000' }] };
    const provider = { kind: 'demo', baseUrl: 'http://127.0.0.1:9/v1', models: ['demo'] };
    const { id } = await added(acme, provider);
    const refused = await put<Faults>([rung], '?dryRun=true');
    assert.equal(refused.status, 422, refused.text);
    assert.deepEqual(
      refused.body.errors.map(({ pointer }) => pointer),
      ['/rungs/0/models/0/to'],
    );
    const free = await acme.call('PATCH', `/v1/llm-providers/${id}`, { models: null });
    assert.equal(free.status, 200, free.text);
    const { body } = await put<Warned>([rung], '?dryRun=true');
    assert.match(body.warnings.join(), /lists the model nonexistent-9000/);
    const listed = { ...rung, models: [{ from: 'large', to: 'demo' }] };
    await acme.call('PATCH', `/v1/llm-providers/${id}`, { models: ['demo'] });
    assert.deepEqual((await put<Warned>([listed], '?dryRun=true')).body.warnings, []);
  });

  it('R5.4 says beforehand what it would have done with the last days, and changes nothing', async () => {
    const hourMs = 3_600_000;
    const now = Math.floor(Date.now() / hourMs) * hourMs;
    await use(60, new Date(now - 3 * hourMs));
    await use(45, new Date(now - 2 * hourMs));
    const before = await acme.call<Ladder>('GET', '/v1/usage-ladder');
    const tried = await put<Ladder & { simulation: Simulation }>(
      [
        { at: 50, measure: 'slow', factor: 0.2 },
        { at: 100, quota: 'hard', measure: 'refuse' },
      ],
      '?dryRun=true',
    );
    assert.equal(tried.status, 200, tried.text);
    const { episodes, left } = tried.body.simulation;
    assert.deepEqual(left, []);
    assert.deepEqual(
      episodes.map(({ measure, quotaId, from }) => [measure, quotaId, from]),
      [
        ['slow', daily, new Date(now - 2 * hourMs).toISOString()],
        ['refuse', daily, new Date(now - hourMs).toISOString()],
      ],
    );
    assert.deepEqual(
      episodes.map(({ runs }) => runs.share),
      [45 / 105, 0],
    );
    assert.deepEqual((await acme.call('GET', '/v1/usage-ladder')).body, before.body);
    const simulated = await acme.call<Simulation>('POST', '/v1/usage-ladder/simulations', {});
    assert.deepEqual(
      simulated.body.episodes.map(({ measure }) => measure),
      ['queue'],
    );
  });

  it('R5.4 is for administrators to change, and for overseers to read and to try out', async () => {
    const auditor = await keyHolder(acme.tenant.id, 'auditor');
    assert.equal((await auditor.call('GET', '/v1/usage-ladder')).status, 200);
    assert.equal((await auditor.call('POST', '/v1/usage-ladder/simulations', {})).status, 200);
    assert.equal((await auditor.call('PUT', '/v1/usage-ladder', { rungs: [], reason: 'x' })).status, 403);
    const viewer = await keyHolder(acme.tenant.id, 'viewer');
    assert.equal((await viewer.call('GET', '/v1/usage-ladder')).status, 403);
  });
});
