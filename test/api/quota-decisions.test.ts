import assert from 'node:assert/strict';
import { closeDatabases } from '../../models/databases.ts';
import { inTenant } from '../../models/scope.ts';
import { closeTemporal } from '../../temporal/client.ts';
import { operator } from '../support/client.ts';
import { notified } from '../support/near-limits.ts';
import { type KeyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { inDays, type Requested, requesting, wish } from '../support/quota-requests.ts';
import { follow, type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

describe('decisions on requests for more', () => {
  let acme: Member;
  let admin: KeyHolder;
  before(() => useSharedModels());
  beforeEach(async () => {
    acme = await member({ quotas: { runs: 100 }, plan: 'team' });
    admin = await signedInPerson(acme.tenant.id, 'admin');
  });
  after(() => Promise.all([closeTemporal(), closeDatabases()]));

  type Asked = Requested & { tenantId: string; quotaId: string; amount: number };
  /** What operators find of this organisation where all are listed; its workflow tells it there. */
  const inbox = async (state: string) => {
    const path = `/v1/platform/quota-requests?state=${state}&tenantId=${acme.tenant.id}`;
    const { body } = await operator().call<{ items: Asked[] }>('GET', path);
    return body.items.map((one) => [
      one.id,
      one.tenantId,
      one.operationId,
      one.quotaId,
      one.amount,
      one.state,
      one.granted,
    ]);
  };

  it('R5.3 wait for an operator, who sees price and effect and may grant less, for a time or without an end', async () => {
    const { ask, read, decide, limitNow } = requesting(acme.tenant.id, admin);
    const { body } = await ask({ ...wish, amount: 900, until: inDays(20) });
    assert.equal(body.state, 'waiting');
    const listed = await operator().call<{ items: Requested[] }>(
      'GET',
      `/v1/tenants/${acme.tenant.id}/quota-requests?state=waiting`,
    );
    assert.deepEqual(
      listed.body.items.map(({ id, reason }) => [id, reason]),
      [[body.id, 'A launch']],
    );
    const waiting = [body.id, acme.tenant.id, body.operationId, 'plan.runs', 900, 'waiting', null];
    await eventually(async () => assert.deepEqual(await inbox('waiting'), [waiting]));
    const verdict = { verdict: 'approve', amount: 500, reason: 'For the launch' };
    const dry = await decide(body.id, verdict, operator(), '?dryRun=true');
    assert.deepEqual([dry.status, dry.body.limit], [200, { before: 100, after: 500 }]);
    assert.equal((await read(body.id)).state, 'waiting');
    const decided = await decide(body.id, verdict);
    assert.deepEqual([decided.status, decided.body.granted], [200, 500]);
    await eventually(async () =>
      assert.deepEqual((await inbox('approved'))[0]?.slice(4), [900, 'approved', 500]),
    );
    assert.deepEqual(await inbox('waiting'), []);
    await eventually(async () => assert.deepEqual(await limitNow(), { amount: 100, raised: 500 }));
    // Whoever lowers the limit meanwhile is told that it would not hold yet.
    const path = `/v1/tenants/${acme.tenant.id}/quotas/plan.runs`;
    const lowered = await operator().call<{ detail: string }>('PUT', path, { amount: 50, reason: 'Abuse' });
    assert.equal(lowered.status, 409);
    assert.match(
      lowered.body.detail,
      /A raise to 500 holds until .* Send "raised": null to end the raise now/,
    );
    const seen = await read(body.id);
    assert.deepEqual([seen.decidedBy, seen.decisionReason], ['operator', 'For the launch']);
    // The same again is answered as made; another is not.
    assert.equal((await decide(body.id, { ...verdict, until: seen.grantedUntil })).status, 200);
    assert.equal((await decide(body.id, { verdict: 'refuse', reason: 'No' })).status, 409);

    const taken = await admin.call<Requested>('DELETE', `/v1/quota-requests/${body.id}`);
    assert.deepEqual([taken.status, taken.body.state], [200, 'withdrawn']);
    await eventually(async () => assert.deepEqual(await limitNow(), { amount: 100, raised: null }));
    await eventually(async () => assert.equal((await inbox('withdrawn')).length, 1));

    const lasting = await ask({ ...wish, amount: 300 });
    await decide(lasting.body.id, { verdict: 'approve', reason: 'Fine' });
    await eventually(async () => assert.deepEqual(await limitNow(), { amount: 300, raised: null }));
    assert.equal((await admin.call('DELETE', `/v1/quota-requests/${lasting.body.id}`)).status, 409);
  });

  it('R5.3 end when an operator raises by hand or ends the raise, and never lower or end what was set by hand', async () => {
    const { ask, decide, limitNow, becomes } = requesting(acme.tenant.id, admin);
    type Set = { limit: number; errors?: { pointer: string }[] };
    const set = (body: object) =>
      operator().call<Set>('PUT', `/v1/tenants/${acme.tenant.id}/quotas/plan.runs`, {
        ...{ amount: 100, reason: 'agreed' },
        ...body,
      });
    const grant = async (amount: number) => {
      const { body } = await ask({ ...wish, amount, until: inDays(20) });
      assert.equal((await decide(body.id, { verdict: 'approve', reason: 'Fine' })).status, 200);
      return body;
    };
    const first = await grant(900);
    await eventually(async () => assert.deepEqual(await limitNow(), { amount: 100, raised: 900 }));
    const byHand = { to: 600, until: inDays(5) };
    assert.equal((await set({ raised: byHand })).body.limit, 600);
    await becomes(first.id, 'reverted');
    await follow(first.operationId);
    assert.deepEqual(await limitNow(), { amount: 100, raised: 600 });

    const second = await grant(300);
    const raisedAt = async () => {
      const [row] = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
        sql<{ at: Date | null }>('SELECT raised_at AS at FROM quota_requests WHERE id = $1', [second.id]),
      );
      return row?.at;
    };
    await eventually(async () => assert.ok(await raisedAt()));
    assert.deepEqual(await limitNow(), { amount: 100, raised: 600 });
    assert.equal((await set({ raised: null })).body.limit, 100);
    await becomes(second.id, 'reverted');
    const less = await set({ raised: { to: 100, until: inDays(5) } });
    assert.deepEqual([less.status, less.body.errors?.[0]?.pointer], [422, '/raised/to']);
  });

  it('R5.3 can be refused, and taken back while they wait', async () => {
    const { ask, read, decide, limitNow } = requesting(acme.tenant.id, admin);
    const { body } = await ask({ ...wish, amount: 900 });
    assert.equal((await decide(body.id, { verdict: 'refuse', reason: 'Upgrade instead' })).status, 200);
    assert.equal((await read(body.id)).decisionReason, 'Upgrade instead');
    await follow(body.operationId);
    const [told = assert.fail()] = await notified(admin);
    assert.deepEqual([told.kind, told.data.outcome], ['quota.request-decided', 'refused']);
    const second = await ask({ ...wish, amount: 901 });
    assert.equal((await admin.call('DELETE', `/v1/quota-requests/${second.body.id}`)).status, 200);
    const { result } = await follow(second.body.operationId);
    assert.deepEqual(result, { outcome: 'withdrawn' });
    assert.deepEqual(await limitNow(), { amount: 100, raised: null });
    assert.equal((await decide(second.body.id, { verdict: 'approve', reason: 'Late' })).status, 409);
  });

  it('R5.3 are listed for operators across all organisations, page by page', async () => {
    const globex = await member({ quotas: { runs: 100 }, plan: 'team' });
    const other = await signedInPerson(globex.tenant.id, 'admin');
    const first = await requesting(acme.tenant.id, admin).ask({ ...wish, amount: 900 });
    const second = await requesting(globex.tenant.id, other).ask({ ...wish, amount: 901 });
    const waiting = (query: string) =>
      operator().call<{ items: Asked[]; nextCursor: string | null }>(
        'GET',
        `/v1/platform/quota-requests?state=waiting${query}`,
      );
    await eventually(async () => {
      const { items } = (await waiting(`&limit=1&tenantId=${globex.tenant.id}`)).body;
      assert.equal(items[0]?.id, second.body.id);
    });
    await eventually(async () => assert.equal((await inbox('waiting')).length, 1));
    // Others ask meanwhile, in organisations of their own.
    const page = await waiting('&limit=100');
    const ids = page.body.items.map(({ id }) => id);
    assert.ok(ids.indexOf(second.body.id) < ids.indexOf(first.body.id), 'the newest first');
    assert.ok(ids.includes(second.body.id));
    const short = await waiting('&limit=1');
    assert.equal(short.body.nextCursor, short.body.items[0]?.id);
    const next = await waiting(`&limit=100&cursor=${second.body.id}`);
    const older = next.body.items.map(({ id }) => id);
    assert.deepEqual([older.includes(second.body.id), older.includes(first.body.id)], [false, true]);
    assert.ok(!JSON.stringify(page.body).includes(wish.reason), 'reasons stay where their key is');
    assert.equal((await admin.call('GET', '/v1/platform/quota-requests')).status, 403);
    const astray = await operator().call<{ detail: string }>('GET', '/v1/quota-requests');
    assert.match(astray.body.detail, /Operators find it at GET \/v1\/platform\/quota-requests\./);
  });
});
