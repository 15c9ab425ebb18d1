import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';

type Item = { id: string | null; verdict: string; faults?: { pointer: string; detail: string }[] };
type Reported = Record<'accepted' | 'duplicate' | 'corrected' | 'refused', number> & { items: Item[] };

const day = 86_400_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const event = (more: object = {}, data: object = {}) => ({
  specversion: '1.0',
  id: freshSlug('event'),
  source: 'urn:gateway:eu',
  type: 'tokens.input',
  time: ago(0),
  data: { value: 1, ...data },
  ...more,
});

describe('reporting usage', () => {
  let acme: Member;
  let globex: Member;
  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
  });

  const report = (events: unknown[], headers: Record<string, string> = {}, as = acme) =>
    as.call<Reported>('POST', '/v1/usage/events', { events }, headers);
  const total = async (source: string, as = acme) =>
    inTenant(await placed(as.tenant.id), async ({ sql }) => {
      const [row] = await sql<{ value: string }>(
        `SELECT coalesce(sum(value), 0)::text AS value FROM usage_days JOIN usage_series ON id = series WHERE model = $1`,
        [source],
      );
      return row?.value;
    });

  it('R5.1 counts each event once, by source and id, and answers for each', async () => {
    const model = freshSlug('model');
    const [one, two] = [event({}, { value: 40, model }), event({}, { value: 2, model })];
    const first = await report([one, two, one]);
    assert.equal(first.status, 200, first.text);
    assert.deepEqual(
      first.body.items.map(({ verdict }) => verdict),
      ['accepted', 'accepted', 'duplicate'],
    );
    const again = await report([two, { ...two, source: 'urn:gateway:us' }]);
    assert.deepEqual([again.body.accepted, again.body.duplicate, again.body.refused], [1, 1, 0]);
    assert.equal(await total(model), '44');
  });

  it('R5.1 counts what is good of a batch, and says of the rest each fault and where it is', async () => {
    const model = freshSlug('model');
    const bad = {
      ...event({ type: 'runs', time: 'yesterday', specversion: '2.0' }, { value: -1, agentId: 'agent' }),
      Extra: true,
      extra: { nested: 1 },
    };
    const { status, body } = await report([
      bad,
      event({}, { model }),
      'nothing',
      event({ time: ago(401 * day) }),
    ]);
    assert.equal(status, 200);
    const pointers = body.items.map(({ faults = [] }) => faults.map(({ pointer }) => pointer).toSorted());
    assert.deepEqual(pointers, [
      [
        '/events/0/Extra',
        '/events/0/data/agentId',
        '/events/0/data/value',
        '/events/0/extra',
        '/events/0/specversion',
        '/events/0/time',
        '/events/0/type',
      ],
      [],
      ['/events/2'],
      ['/events/3/time'],
    ]);
    assert.equal(body.items[0]?.id, bad.id);
    assert.match(JSON.stringify(body.items[0]), /must be a meter that others report to: tokens.input/);
    assert.equal(await total(model), '1');
  });

  it('R5.1 takes late events as corrections, and says so', async () => {
    const model = freshSlug('model');
    const late = event({ time: ago(40 * day) }, { model });
    assert.equal((await report([late])).body.corrected, 1);
    assert.equal((await report([late])).body.duplicate, 1);
    assert.equal(await total(model), '0');
  });

  it('R5.1 has nobody speak for Freehold itself, so that none of its acts is taken for known', async () => {
    const { body } = await report([event({ source: 'freehold' })]);
    assert.equal(body.refused, 1);
    assert.match(JSON.stringify(body.items[0]?.faults), /Freehold’s own acts/);
  });

  it('R2.4 knows no agent, workflow, run, person or key of another organisation', async () => {
    const { body: theirs } = await globex.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
    });
    const { body: ours } = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
    });
    const { body } = await report([
      event({}, { agentId: theirs.id }),
      event({}, { agentId: ours.id }),
      event({}, { runId: newId('run'), userId: newId('usr'), keyId: newId('key'), workflowId: newId('wfl') }),
    ]);
    assert.deepEqual(
      body.items.map(({ faults = [] }) => faults.map(({ pointer }) => pointer)),
      [
        ['/events/0/data/agentId'],
        [],
        ['workflowId', 'runId', 'userId', 'keyId'].map((name) => `/events/2/data/${name}`),
      ],
    );
    // What an agent used that is gone by now is still what it used.
    await acme.call('DELETE', `/v1/agents/${ours.id}`);
    assert.equal((await report([event({}, { agentId: ours.id })])).body.accepted, 1);
  });

  it('R5.1 answers a repeated request as it did the first time', async () => {
    const model = freshSlug('model');
    const events = [event({}, { model })];
    const key = { 'idempotency-key': freshSlug('key') };
    const [first, second] = [await report(events, key), await report(events, key)];
    assert.deepEqual(second.body, first.body);
    assert.equal(second.body.accepted, 1);
    assert.equal(await total(model), '1');
    const other = await report([event()], key);
    assert.equal(other.status, 422);
  });

  it('R5.1 takes a thousand events at once and no more', async () => {
    const model = freshSlug('model');
    const many = Array.from({ length: 1_000 }, () => event({}, { model }));
    assert.equal((await report(many)).body.accepted, 1_000);
    assert.equal(await total(model), '1000');
    assert.equal((await report([...many, event()])).status, 400);
    assert.equal((await report([])).status, 400);
  });

  it('R5.1 writes down who reported how much', async () => {
    await report([event(), event({ type: 'seats' })]);
    const { body } = await acme.call<{ items: { action: string; details: object }[] }>(
      'GET',
      '/v1/audit-events?action=report%20Usage&limit=1',
      undefined,
      { 'x-purpose': 'a test' },
    );
    assert.deepEqual(body.items[0]?.details, { accepted: 1, duplicate: 0, corrected: 0, refused: 1 });
  });

  it('R5.1 R5.2 R5.5 is as many to limits as to reports, where one event tells of several calls', async () => {
    const { body: agent } = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
    });
    const limit = { meter: 'tool-calls', window: 'month', scope: 'agent', scopeId: agent.id };
    const limited = async (amount: number) =>
      (await acme.call<{ id: string }>('POST', '/v1/quotas', { ...limit, amount })).body.id;
    const before = await limited(100);
    const calls = (value: number) => event({ type: 'tool-calls' }, { value, agentId: agent.id });
    assert.equal((await report([calls(3), calls(1), calls(2)])).body.accepted, 3);
    const after = await limited(101);
    for (const id of [before, after]) {
      const { body } = await acme.call<{ used: number }>('GET', `/v1/quotas/${id}`);
      assert.equal(body.used, 6, id === before ? 'counted against it' : 'begun with');
    }
    const path = `/v1/usage?meter=tool-calls&agentId=${agent.id}`;
    const { body } = await acme.call<{ series: { total: number }[] }>('GET', path);
    assert.equal(body.series[0]?.total, 6);
  });
});
