import assert from 'node:assert/strict';
import { type KeyHolder, keyHolder, useSharedModels } from '../support/people.ts';
import { restricted } from '../support/restrictions.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

type Problem = { code: string; detail: string };

/** What restrictions do to requests and to the starting of runs; how they come and go: usage-restrictions.test.ts. */
describe('restricted acts', () => {
  let acme: Member;
  let builder: KeyHolder;
  let agentId: string;
  beforeEach(async () => {
    useSharedModels();
    acme = await member();
    builder = await keyHolder(acme.tenant.id, 'builder');
    const agent = { name: freshSlug('agent'), model: 'demo' };
    agentId = (await builder.call<{ id: string }>('POST', '/v1/agents', agent)).body.id;
  });

  const run = () =>
    builder.call<Problem>('POST', '/v1/runs', { agentId, environment: 'draft', input: { prompt: 'Hi' } });

  it('R5.4 slow requests down by what is left of their rate, of everybody and of one key', async () => {
    const rate = async (by: Pick<KeyHolder, 'call'>) => {
      const { headers } = await by.call('GET', '/v1/agents');
      return String(headers['ratelimit-policy']);
    };
    const before = Number(/q=(\d+)/.exec(await rate(builder))?.[1]);
    await restricted(acme.tenant.id, { measure: 'slow', data: { factor: 0.5 } });
    await eventually(async () => assert.equal(Number(/q=(\d+)/.exec(await rate(builder))?.[1]), before / 2));
    await restricted(acme.tenant.id, {
      measure: 'slow',
      scope: 'key',
      scopeId: builder.id,
      data: { factor: 0.01 },
    });
    await eventually(async () => assert.equal(await rate(builder), `"minute-key";q=${before / 100};w=60`));
    assert.equal(Number(/q=(\d+)/.exec(await rate(acme))?.[1]), before / 2);
  });

  it('R5.4 slow the starting of runs down to fewer at once', async () => {
    await acme.call('PATCH', '/v1/settings', { set: { 'runs.maxConcurrent': 4 }, reason: 'a test' });
    await restricted(acme.tenant.id, { measure: 'slow', data: { factor: 0.5 } });
    await restricted(acme.tenant.id, { measure: 'queue' });
    const replies = [await run(), await run(), await run()];
    assert.deepEqual(
      replies.map(({ status }) => status),
      [202, 202, 429],
    );
    assert.equal(replies[2]?.body.code, 'restricted');
  });

  it('R5.4 of one key refuse everything to it, and nothing to others', async () => {
    await restricted(acme.tenant.id, {
      scope: 'key',
      scopeId: builder.id,
      cause: 'key-places',
      data: { used: 40 },
    });
    await eventually(async () => {
      const refused = await builder.call<Problem>('GET', '/v1/agents');
      assert.deepEqual([refused.status, refused.body.code], [429, 'restricted']);
      assert.match(refused.body.detail, /40 networks.*revoke it/);
    });
    assert.equal((await acme.call('GET', '/v1/agents')).status, 200);
  });

  it('R5.4 over a limit on storage refuse what adds to it, and nothing else', async () => {
    await restricted(acme.tenant.id, { madeBy: 'platform', data: { meter: 'storage.bytes' } });
    assert.equal((await run()).body.code, 'restricted');
    const memory = await builder.call<Problem>('POST', `/v1/agents/${agentId}/memories`, { text: 'more' });
    assert.equal(memory.body.code, 'restricted');
    assert.equal((await builder.call('PATCH', `/v1/agents/${agentId}`, { description: 'x' })).status, 200);
  });

  it('R5.4 over a limit on storage refuse what others report, one by one, and know what they know', async () => {
    type Reported = {
      items: { verdict: string; faults?: { pointer: string; code: string; detail: string }[] }[];
    };
    const event = () => ({
      specversion: '1.0',
      id: freshSlug('event'),
      source: 'urn:gateway:eu',
      type: 'tokens.input',
      time: new Date().toISOString(),
      data: { value: 1 },
    });
    const report = async (events: unknown[]) =>
      (await acme.call<Reported>('POST', '/v1/usage/events', { events })).body.items;
    const known = event();
    await restricted(acme.tenant.id, { data: { meter: 'tokens' } });
    assert.equal(
      (await report([known]))[0]?.verdict,
      'accepted',
      'other limits are no reason not to hear of it',
    );
    await restricted(acme.tenant.id, {
      madeBy: 'platform',
      data: { at: 100, meter: 'storage.bytes', limit: 10, used: 10, window: 'level' },
    });
    const items = await report([event(), known, 'nothing', event()]);
    assert.deepEqual(
      items.map(({ verdict, faults = [] }) => [verdict, ...faults.map(({ pointer }) => pointer)]),
      [['refused', '/events/0'], ['duplicate'], ['refused', '/events/2'], ['refused', '/events/3']],
    );
    assert.equal(items[0]?.faults?.[0]?.code, 'restricted');
    assert.match(
      String(items[0]?.faults?.[0]?.detail),
      /^It is not possible to report usage just now\. .*bytes.*operators/,
    );
  });

  it('R5.4 say whose they are and of which limit in words, and leave ids to programs', async () => {
    type Said = { reason: string; whatToDo: string };
    const data = { at: 90, meter: 'runs', limit: 5, used: 5, window: 'day' } as const;
    const said = async (change: Parameters<typeof restricted>[1]) => {
      const id = await restricted(acme.tenant.id, { ...change, data });
      const { body } = await builder.call<Said>('GET', `/v1/usage-restrictions/${id}`);
      const all = await builder.call<{ items: Said[] }>('GET', '/v1/usage-restrictions');
      assert.equal(all.body.items[0]?.reason, body.reason);
      assert.doesNotMatch(`${body.reason} ${body.whatToDo}`, /plan\.|agt_/);
      return body.reason;
    };
    const { body: agent } = await builder.call<{ name: string }>('GET', `/v1/agents/${agentId}`);
    const because = 'because the limit of 5 runs a day is used up to 90 % or more: 5 of it.';
    const slow = await said({ scope: 'agent', scopeId: agentId, measure: 'slow' });
    assert.equal(slow, `The agent ${agent.name} is slowed down, ${because}`);
    const queue = await said({ scope: 'tag', scopeId: 'night', measure: 'queue' });
    assert.equal(queue, `Each agent with the tag night has its new runs wait, ${because}`);
  });
});
