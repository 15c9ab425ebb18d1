import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { reserve } from '../../models/tenant/quota-ledger.ts';
import { noteUsage, type UsageNote } from '../../models/tenant/usage.ts';
import { foldUsage } from '../../models/tenant/usage-fold.ts';
import { Refusal } from '../../policies/refusal.ts';
import { operator } from '../support/client.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

type Quota = {
  id: string;
  limit: number;
  amount: number;
  used: number;
  reserved: number;
  free: number;
  zone: string;
  windowStart: string | null;
  resetsAt: string | null;
  origin: string;
  enforcement: string;
  holds: string;
  shares: { scopeId: string; used: number; free: number }[];
  raised: { to: number; until: string } | null;
  thresholds: number[];
  version: number;
};
type Answer = Quota & { detail: string; errors?: { pointer: string; detail: string }[] };

describe('limits over REST', () => {
  let acme: Member;
  let place: Place;

  before(async () => {
    useSharedModels();
    acme = await member();
    place = await placed(acme.tenant.id);
  });

  const use = async (note: Omit<UsageNote, 'id'>) => {
    const id = `test-${Math.random()}`;
    await inTenant(place, ({ sql }) => noteUsage(sql, [{ id, ...note }]));
    await foldUsage(place);
  };
  const list = async () => {
    const { body } = await acme.call<{ items: Quota[] }>('GET', '/v1/quotas');
    return new Map(body.items.map((each) => [each.id, each]));
  };
  const made = async (body: object) => {
    const reply = await acme.call<Answer>('POST', '/v1/quotas', body);
    assert.equal(reply.status, 201, reply.text);
    return reply.body;
  };

  it('R5.2 tells of each of the plan’s limits how much is used, reserved and free, and how it holds', async () => {
    await acme.call('POST', '/v1/agents', { name: 'One', model: 'demo' });
    await use({ meter: 'tokens.output', value: 1_000 });
    await reserve(place, { id: 'held', seconds: 60 }, [{ meter: 'tokens.input', amount: 500 }]);
    const quotas = await list();
    assert.deepEqual([...quotas.keys()].slice(0, 5), [
      'plan.agents',
      'plan.runs',
      'plan.seats',
      'plan.storageBytes',
      'plan.tokens',
    ]);
    const { limit, used, reserved, free, resetsAt } = quotas.get('plan.tokens') ?? assert.fail();
    assert.deepEqual([limit, used, reserved, free], [500_000_000, 1_000, 500, 499_998_500]);
    assert.match(resetsAt ?? '', /-01T00:00:00.000Z$/);
    assert.deepEqual([quotas.get('plan.agents')?.used, quotas.get('plan.agents')?.resetsAt], [1, null]);
    assert.equal(quotas.get('plan.seats')?.used, 1);
    const { enforcement, holds } = quotas.get('plan.storageBytes') ?? assert.fail();
    assert.equal(enforcement, 'after');
    assert.match(holds, /known only once it happened/);
  });

  it('R5.2 begins a new limit with what was used in its window before it was made', async () => {
    await use({ meter: 'tool-calls', value: 3, agentId: 'agt_a' });
    await use({ meter: 'tool-calls', value: 4, agentId: 'agt_b' });
    const all = await made({ meter: 'tool-calls', window: 'month', amount: 100 });
    assert.deepEqual([all.used, all.free, all.origin], [7, 93, 'tenant']);
    const each = await made({ meter: 'tool-calls', window: 'day', scope: 'agent', amount: 5, hard: false });
    assert.deepEqual(
      each.shares.map(({ scopeId, used }) => [scopeId, used]),
      [
        ['agt_b', 4],
        ['agt_a', 3],
      ],
    );
    const rolling = await made({ meter: 'tool-calls', window: 'rolling', windowMinutes: 60, amount: 10 });
    assert.equal(rolling.used, 7);
    await use({ meter: 'tool-calls', value: 1, agentId: 'agt_a' });
    assert.equal((await list()).get(all.id)?.used, 8);
    assert.equal((await list()).get(rolling.id)?.used, 8);
    await assert.rejects(
      reserve(place, { id: 'x', seconds: 60 }, [{ meter: 'tool-calls', amount: 3 }]),
      (cause) => cause instanceof Refusal && cause.message.includes(`PATCH /v1/quotas/${rolling.id}`),
    );
  });

  it('R5.2 changes a limit of one’s own at once, in order and on the record', async () => {
    const { id, version } = await made({ meter: 'egress.bytes', window: 'hour', amount: 10 });
    const change = (amount: number, more: Record<string, string> = {}, query = '') =>
      acme.call<Answer>('PATCH', `/v1/quotas/${id}${query}`, { amount }, more);
    const tried = await change(30, {}, '?dryRun=true');
    assert.deepEqual([tried.status, tried.body.amount], [200, 30]);
    assert.equal((await acme.call<Quota>('GET', `/v1/quotas/${id}`)).body.amount, 10);
    const done = await change(20, { 'if-match': `"${version}"` });
    assert.deepEqual([done.status, done.body.amount, done.body.version], [200, 20, version + 1]);
    assert.equal((await change(30, { 'if-match': `"${version}"` })).status, 412);
    const gone = await acme.call<Quota>('DELETE', `/v1/quotas/${id}?dryRun=true`);
    assert.deepEqual(
      [gone.status, gone.body.id, (await acme.call('GET', `/v1/quotas/${id}`)).status],
      [200, id, 200],
    );
    assert.equal((await acme.call('DELETE', `/v1/quotas/${id}`)).status, 204);
    assert.equal((await acme.call('GET', `/v1/quotas/${id}`)).status, 404);
  });

  it('R5.2 lets an organisation limit itself further than its plan, and no less', async () => {
    const more = await acme.call<Answer>('POST', '/v1/quotas', {
      meter: 'tokens',
      window: 'month',
      amount: 600_000_000,
    });
    assert.equal(more.status, 400);
    assert.match(more.body.errors?.[0]?.detail ?? '', /at most 500,000,000, which is what the plan gives/);
    const raised = await acme.call<Answer>('PATCH', '/v1/quotas/plan.tokens', { amount: 600_000_000 });
    assert.equal(raised.status, 409);
    assert.match(raised.body.detail, /POST \/v1\/quota-requests/);
    const told = await acme.call<Answer>('PATCH', '/v1/quotas/plan.tokens', { thresholds: [95, 50, 50] });
    assert.deepEqual([told.status, told.body.thresholds], [200, [50, 95]]);
    assert.equal((await acme.call('DELETE', '/v1/quotas/plan.tokens')).status, 409);
  });

  it('R5.2 says of every limit that makes no sense what is wrong with it', async () => {
    const faultsOf = async (body: object) =>
      ((await acme.call<Answer>('POST', '/v1/quotas', body)).body.errors ?? []).map(({ pointer }) => pointer);
    const limit = { meter: 'tokens', window: 'day', amount: 5 };
    assert.deepEqual(await faultsOf({ ...limit, window: 'level' }), ['/window']);
    assert.deepEqual(await faultsOf({ ...limit, window: 'rolling' }), ['/windowMinutes']);
    assert.deepEqual(await faultsOf({ ...limit, windowMinutes: 5 }), ['/windowMinutes']);
    assert.deepEqual(await faultsOf({ ...limit, zone: 'Mars/Base' }), ['/zone']);
    assert.deepEqual(await faultsOf({ ...limit, scopeId: 'x' }), ['/scopeId']);
    assert.deepEqual(
      await faultsOf({ ...limit, scope: 'agent', scopeId: 'agt_00000000000000000000000000' }),
      ['/scopeId'],
    );
    assert.deepEqual(await faultsOf({ ...limit, meter: 'users.active' }), ['/meter']);
    assert.deepEqual(await faultsOf({ ...limit, amount: -1 }), ['/amount']);
  });

  it('R5.2 means by a zone what the database means by it, whatever it is called', async () => {
    const limit = { meter: 'tool-calls', window: 'day', amount: 5 };
    // Abbreviations and former names, which ICU and Postgres take for different zones, or one of them for none.
    const zones = { IST: 'Asia/Calcutta', AET: 'Australia/Sydney', 'europe/berlin': 'Europe/Berlin' };
    for (const [zone, expected] of Object.entries(zones)) {
      const { status, body, text } = await acme.call<Quota>('POST', '/v1/quotas?dryRun=true', {
        ...limit,
        zone,
      });
      assert.equal(status, 200, text);
      assert.equal(body.zone, expected);
      const [start, end] = [body.windowStart, body.resetsAt].map((at) => Date.parse(at ?? ''));
      assert.ok((end ?? 0) - (start ?? 0) >= 23 * 3_600_000, `${start} ${end}`);
    }
    const { status } = await acme.call('POST', '/v1/quotas', { ...limit, zone: 'SystemV/EST5EDT' });
    assert.equal(status, 400);
  });

  it('R5.2 lets operators set a limit over the plan’s, for good or for a time', async () => {
    const path = `/v1/tenants/${acme.tenant.id}/quotas`;
    const all = await operator().call<{ items: Quota[] }>('GET', path);
    assert.ok(all.body.items.some(({ id }) => id === 'plan.runs'));
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const put = (body: object, query = '') =>
      operator().call<Answer>('PUT', `${path}/plan.runs${query}`, { reason: 'agreed', ...body });
    const tried = await put({ amount: 70_000 }, '?dryRun=true');
    assert.deepEqual([tried.status, tried.body.amount, tried.body.origin], [200, 70_000, 'operator']);
    assert.equal((await list()).get('plan.runs')?.amount, 50_000);
    const set = await put({ amount: 60_000, raised: { to: 90_000, until } });
    assert.deepEqual([set.status, set.body.limit, set.body.raised], [200, 90_000, { to: 90_000, until }]);
    assert.equal((await list()).get('plan.runs')?.limit, 90_000);
    assert.equal((await put({ amount: 60_000, raised: null })).body.limit, 60_000);
    const own = await made({ meter: 'tool-calls', window: 'week', amount: 5 });
    const theirs = await operator().call('PUT', `${path}/${own.id}`, { amount: 5, reason: 'agreed' });
    assert.equal(theirs.status, 409);
  });

  it('R5.2 refuses a limit that is there already, and names it', async () => {
    const body = { meter: 'egress.bytes', window: 'day', amount: 30_000, hard: false };
    const { id } = await made(body);
    const again = await acme.call<Answer>('POST', '/v1/quotas', body);
    assert.equal(again.status, 409, again.text);
    assert.match(again.body.detail, new RegExp(`PATCH /v1/quotas/${id} changes it`));
    await made({ ...body, amount: 40_000 });
  });
});
