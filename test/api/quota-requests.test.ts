import assert from 'node:assert/strict';
import { closeDatabases } from '../../models/databases.ts';
import { inTenant } from '../../models/scope.ts';
import { closeTemporal } from '../../temporal/client.ts';
import { operator } from '../support/client.ts';
import { notified, use } from '../support/near-limits.ts';
import {
  holderOf,
  type KeyHolder,
  keyHolder,
  placed,
  signedInPerson,
  useSharedModels,
} from '../support/people.ts';
import { inDays, type Requested, requesting, wish } from '../support/quota-requests.ts';
import { follow, type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

describe('requests for more of a limit', () => {
  let acme: Member;
  let admin: KeyHolder;
  before(() => useSharedModels());
  beforeEach(async () => {
    acme = await member({ quotas: { runs: 100 }, plan: 'team' });
    admin = await signedInPerson(acme.tenant.id, 'admin');
  });
  after(() => Promise.all([closeTemporal(), closeDatabases()]));

  it('R5.3 tell beforehand what they cost, what they bring and who decides, and change nothing by it', async () => {
    const { ask } = requesting(acme.tenant.id, admin);
    const place = await placed(acme.tenant.id);
    await use(place, { meter: 'runs', value: 60 });
    const { status, body } = await ask({ ...wish, amount: 5_100, until: inDays(15) }, admin, '?dryRun=true');
    assert.equal(status, 200);
    assert.equal(body.decision, 'operator');
    assert.match(body.why, /days/);
    assert.deepEqual(body.limit, { before: 100, after: 5_100 });
    assert.deepEqual(body.price, { currency: 'EUR', perMonthMinor: 10_00, totalMinor: 5_00 });
    const { before, after } = body.exhaustedAt;
    if (before !== null && after !== null) assert.ok(Date.parse(before) <= Date.parse(after));
    const { body: listed } = await admin.call<{ items: Requested[] }>('GET', '/v1/quota-requests');
    assert.deepEqual(listed.items, []);
    const small = await ask({ ...wish, until: inDays(1) }, admin, '?dryRun=true');
    assert.equal(small.body.decision, 'rule');
  });

  it('R5.3 are granted at once by the rule when they are small, once, and lowered when they are over', async () => {
    const { ask, limitNow, becomes } = requesting(acme.tenant.id, admin);
    const until = new Date(Date.now() + 3_000).toISOString();
    const { status, body } = await ask({ ...wish, until });
    assert.deepEqual([status, body.state, body.decidedBy, body.granted], [202, 'approved', 'rule', 120]);
    await eventually(async () => assert.deepEqual(await limitNow(), { amount: 100, raised: 120 }));
    await becomes(body.id, 'reverted');
    assert.deepEqual(await limitNow(), { amount: 100, raised: null });
    assert.equal((await follow(body.operationId)).state, 'succeeded');
    const told = (await notified(admin)).map(({ kind, data }) => [kind, data.outcome]);
    assert.deepEqual(told, [
      ['quota.request-decided', 'approved'],
      ['quota.request-ended', 'reverted'],
    ]);
    const again = await ask({ ...wish, until: inDays(1) });
    assert.deepEqual([again.status, again.body.state], [202, 'waiting']);
    const twice = await ask({ ...wish, until: inDays(1) });
    assert.equal(twice.status, 409);
  });

  it('R5.3 are granted once by the rule however many ask at the same time', async () => {
    const { ask } = requesting(acme.tenant.id, admin);
    const asked = await Promise.all(Array.from({ length: 5 }, () => ask({ ...wish, until: inDays(1) })));
    assert.deepEqual(asked.map(({ status, body }) => body.state ?? status).toSorted(), [
      409,
      409,
      409,
      'approved',
      'waiting',
    ]);
  });

  it('R5.3 say every fault, and nothing of what is not there', async () => {
    const { ask, decide } = requesting(acme.tenant.id, admin);
    const refused = await ask({ ...wish, amount: 99, until: '2020-01-01T00:00:00Z' });
    assert.equal(refused.status, 422);
    assert.deepEqual(
      refused.body.errors?.map(({ pointer }) => pointer),
      ['/amount', '/until'],
    );
    const unknown = await ask({ ...wish, quotaId: 'plan.nothing' });
    assert.deepEqual([unknown.status, unknown.body.errors?.[0]?.pointer], [422, '/quotaId']);
    const { body } = await ask({ ...wish, amount: 900 });
    const other = await member();
    assert.equal((await other.call('GET', `/v1/quota-requests/${body.id}`)).status, 404);
    const elsewhere = `/v1/tenants/${other.tenant.id}/quota-requests/${body.id}/decision`;
    const verdict = { verdict: 'approve', reason: 'x' };
    assert.equal((await operator().call('PUT', elsewhere, verdict)).status, 404);
    const tooLittle = await decide(body.id, { ...verdict, amount: 100 });
    assert.equal(tooLittle.status, 422);
    const auditor = await holderOf('platform-auditor', acme.tenant.id);
    assert.equal((await decide(body.id, verdict, auditor)).status, 403);
  });

  it('R5.3 are asked for by who administers or pays, kept unreadable, and decided while the organisation is suspended', async () => {
    const { ask, decide, limitNow } = requesting(acme.tenant.id, admin);
    const pays = await keyHolder(acme.tenant.id, 'billing');
    const { body } = await ask({ ...wish, amount: 900, reason: 'a reason of our own' }, pays);
    assert.equal(body.state, 'waiting');
    const viewer = await keyHolder(acme.tenant.id, 'viewer');
    assert.equal((await ask(wish, viewer)).status, 403);
    const rows = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql('SELECT quota_requests::text AS row FROM quota_requests'),
    );
    assert.doesNotMatch(JSON.stringify(rows), /a reason of our own/);
    const suspended = await operator().call<{ operation: { id: string } }>(
      'PUT',
      `/v1/tenants/${acme.tenant.id}/suspension`,
      { reason: 'a test' },
    );
    await follow(suspended.body.operation.id);
    assert.equal((await decide(body.id, { verdict: 'approve', reason: 'x', until: inDays(1) })).status, 200);
    await eventually(async () => assert.deepEqual(await limitNow(), { amount: 100, raised: 900 }));
  });

  it('R5.3 raise what is counted at once as well: agents', async () => {
    const tiny = await member({ quotas: { agents: 1 } });
    const make = (name: string) => tiny.call('POST', '/v1/agents', { name, model: 'demo' });
    assert.deepEqual([(await make('One')).status, (await make('Two')).status], [201, 409]);
    const { body } = await tiny.call<Requested>('POST', '/v1/quota-requests', {
      quotaId: 'plan.agents',
      amount: 2,
      until: inDays(1),
      reason: 'One more',
    });
    const path = `/v1/tenants/${tiny.tenant.id}/quota-requests/${body.id}/decision`;
    assert.equal((await operator().call('PUT', path, { verdict: 'approve', reason: 'x' })).status, 200);
    await eventually(async () => assert.equal((await make('Two')).status, 201));
  });
});
