import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import type { Problem } from '../support/sign-in.ts';
import { type Member, member } from '../support/tenants.ts';

type Told = { key: string; value: unknown; origin: string; set: boolean; sensitive: boolean };
type List = { items: Told[]; version: number };
type Change = { version: number; changes: { key: string; before: Told; after: Told }[] };

const reason = 'a test';
const list = async (as: Pick<Member, 'call'>, query = '?effective=true') =>
  (await as.call<List>('GET', `/v1/settings${query}`)).body;
const told = async (as: Pick<Member, 'call'>, key: string, query = '') => {
  const { value, origin } = (await as.call<Told>('GET', `/v1/settings/${key}${query}`)).body;
  return [value, origin];
};
const patch = (as: Pick<Member, 'call'>, set: object, more: object = {}, query = '', headers = {}) =>
  as.call<Change & Problem>('PATCH', `/v1/settings${query}`, { set, reason, ...more }, headers);

describe('the settings book', () => {
  before(() => useSharedModels());

  it('R6.1 shows every key with what holds and who says so, and what is set here', async () => {
    const acme = await member({ plan: 'free', settings: { 'sessions.hours': 3 } });
    const whole = await list(acme);
    assert.equal(whole.version, 0);
    assert.ok(whole.items.length >= 20);
    assert.deepEqual(await told(acme, 'retention.auditDays'), [90, 'plan']);
    assert.deepEqual(await told(acme, 'egress.allowedPorts'), [[443], 'default']);
    assert.deepEqual(await list(acme, ''), { items: [], version: 0 });
    await patch(acme, { 'retention.auditDays': 120 });
    assert.deepEqual(await told(acme, 'retention.auditDays'), [120, 'tenant']);
    const set = await list(acme, '');
    assert.deepEqual([set.version, set.items.map(({ key }) => key)], [1, ['retention.auditDays']]);
  });

  it('R6.1 keeps what was wished for when the organisation was onboarded', async () => {
    const acme = await member({ settings: { 'retention.auditDays': 77 } });
    assert.deepEqual(await told(acme, 'retention.auditDays'), [77, 'tenant']);
    assert.equal((await list(acme)).version, 1);
  });

  it('R6.1 lets an agent say otherwise for itself, and inherit again', async () => {
    const acme = await member();
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Own', model: 'demo' });
    const of = `?agent=${agent.body.id}`;
    await patch(acme, { 'runs.maxSteps': 200 });
    assert.deepEqual(await told(acme, 'runs.maxSteps', of), [200, 'tenant']);
    assert.equal((await patch(acme, { 'runs.maxSteps': 50 }, {}, of)).status, 200);
    assert.deepEqual(await told(acme, 'runs.maxSteps', of), [50, 'agent']);
    assert.deepEqual(await told(acme, 'runs.maxSteps'), [200, 'tenant']);
    const place = await placed(acme.tenant.id);
    assert.equal((await settingsOf(place, { agentId: agent.body.id })).get('runs.maxSteps'), 50);
    assert.equal((await settingsOf(place)).get('runs.maxSteps'), 200);
    // What the organisation narrows afterwards is narrowed for the agent as well.
    await patch(acme, { 'runs.maxSteps': 20 });
    assert.deepEqual(await told(acme, 'runs.maxSteps', of), [20, 'tenant']);
    const unset = await acme.call('DELETE', `/v1/settings/runs.maxSteps${of}`, { reason });
    assert.equal(unset.status, 200);
    assert.equal(
      (await patch(acme, { 'runs.maxSteps': 30 }, {}, of)).body.errors?.[0]?.pointer,
      '/set/runs.maxSteps',
    );
    assert.equal((await patch(acme, { 'runs.maxSteps': 3 }, {}, `?agent=${newId('agt')}`)).status, 404);
    const wrongLevel = await patch(acme, { 'retention.runDays': 3 }, {}, of);
    assert.match(wrongLevel.body.errors?.[0]?.detail ?? '', /platform and tenant, not for agent/);
  });

  it('R6.1 judges the whole before it saves, names every fault by its place, and saves nothing', async () => {
    const acme = await member();
    const reply = await patch(acme, {
      'runs.maxSteps': 0,
      'egress.allowedPorts': [443, 70_000],
      'llm.allowedRegions': [],
      'egress.allowedHosts': ['https://example.com/'],
      'privacy.redact': ['everything'],
      'runs.nothing': 1,
      'llm.fallbackProviders': ['gpt'],
      'retention.auditDays': 5,
      'runs.maxDepth': 2,
    });
    assert.equal(reply.status, 400);
    assert.deepEqual(reply.body.errors?.map(({ pointer }) => pointer).toSorted(), [
      '/set/egress.allowedHosts/0',
      '/set/egress.allowedPorts/1',
      '/set/llm.allowedRegions',
      '/set/llm.fallbackProviders/0',
      '/set/privacy.redact/0',
      '/set/retention.auditDays',
      '/set/runs.maxSteps',
      '/set/runs.nothing',
    ]);
    assert.deepEqual(await list(acme, ''), { items: [], version: 0 });
    const id = newId('llm');
    const both = await patch(acme, { 'llm.defaultProvider': id, 'llm.fallbackProviders': [id] });
    assert.equal(both.body.errors?.[0]?.pointer, '/set/llm.fallbackProviders');
  });

  it('R6.1 takes whole what a level shall say, one key alone, and keys to be inherited again', async () => {
    const acme = await member();
    const settings = { 'runs.maxSteps': 10, 'runs.maxDepth': 2 };
    assert.equal((await acme.call('PUT', '/v1/settings', { settings, reason })).status, 200);
    assert.equal((await acme.call('PUT', '/v1/settings/runs.maxSteps', { value: 11, reason })).status, 200);
    assert.equal((await patch(acme, { 'runs.maxTokens': 5 }, { unset: ['runs.maxDepth'] })).status, 200);
    const set = await list(acme, '');
    assert.deepEqual(
      set.items.map(({ key, value }) => [key, value]),
      [
        ['runs.maxSteps', 11],
        ['runs.maxTokens', 5],
      ],
    );
    const wrong = await acme.call<Problem>('PUT', '/v1/settings/runs.maxSteps', { value: 'many', reason });
    assert.deepEqual([wrong.status, wrong.body.errors?.[0]?.pointer], [400, '/value']);
    const whole = await acme.call('PUT', '/v1/settings', { settings: {}, reason });
    assert.equal(whole.status, 200);
    assert.deepEqual((await list(acme, '')).items, []);
  });

  it('R6.1 shows what a change would make of what holds, and changes nothing', async () => {
    const acme = await member();
    const would = await patch(acme, { 'runs.maxSteps': 9 }, {}, '?dryRun=true');
    assert.deepEqual(would.body, {
      version: 1,
      changes: [
        {
          key: 'runs.maxSteps',
          before: { value: 1_000, origin: 'default' },
          after: { value: 9, origin: 'tenant' },
        },
      ],
    });
    assert.deepEqual(await list(acme, ''), { items: [], version: 0 });
    assert.deepEqual((await patch(acme, { 'runs.maxSteps': 9 })).body, would.body);
    // The same again changes nothing, and makes no version.
    assert.deepEqual((await patch(acme, { 'runs.maxSteps': 9 })).body, { version: 1, changes: [] });
  });

  it('R6.1 is changed by administrators, with a reason, and read by those who work with it', async () => {
    const acme = await member();
    const builder = await keyHolder(acme.tenant.id, 'builder');
    assert.equal((await builder.call('GET', '/v1/settings')).status, 200);
    assert.equal((await patch(builder, { 'runs.maxSteps': 9 })).status, 403);
    const viewer = await keyHolder(acme.tenant.id, 'viewer');
    assert.equal((await viewer.call('GET', '/v1/settings')).status, 403);
    const silent = await acme.call<Problem>('PATCH', '/v1/settings', { set: {} });
    assert.equal(silent.body.errors?.[0]?.pointer, '/reason');
  });
});
