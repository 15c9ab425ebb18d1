import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { settleLimits } from '../../models/tenant/limit-watch.ts';
import { operator } from '../support/client.ts';
import { changeLimits } from '../support/limited.ts';
import { type KeyHolder, keyHolder, placed, useSharedModels } from '../support/people.ts';
import { limited, restricted, used } from '../support/restrictions.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Restriction = {
  id: string;
  measure: string;
  state: string;
  madeBy: string;
  quotaId: string | null;
  reason: string;
  whatToDo: string;
  since: string;
  until: string | null;
  lifted: { by: { id: string }; reason: string | null } | null;
};
type Problem = {
  code: string;
  detail: string;
  explanation: string;
  restriction: { id: string; measure: string; until: string | null; href: string };
};
type Explanation = {
  code: string;
  rule: string;
  inputs: { id: string } | null;
  changeableBy: { how: string; roles: string[] };
};

describe('restrictions', () => {
  let acme: Member;
  let builder: KeyHolder;
  let agentId: string;
  beforeEach(async () => {
    useSharedModels();
    acme = await member();
    builder = await keyHolder(acme.tenant.id, 'builder');
    const agent = await builder.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
    });
    agentId = agent.body.id;
  });

  const run = (by: Pick<KeyHolder, 'call'> = builder) =>
    by.call<Problem & { id: string }>('POST', '/v1/runs', {
      agentId,
      environment: 'draft',
      input: { prompt: 'Hi' },
    });
  const within = async <T extends object>(text: string, values: unknown[] = []) =>
    inTenant(await placed(acme.tenant.id), ({ sql }) => sql<T>(text, values));
  const done = "SELECT reason FROM audit_events WHERE action = $1 AND outcome = 'done'";
  const written = (action: string) => within<{ reason: string }>(done, [action]);
  const settle = async () => inTenant(await placed(acme.tenant.id), ({ sql }) => settleLimits(sql));
  const holding = async () =>
    (await acme.call<{ items: Restriction[] }>('GET', '/v1/usage-restrictions?holding=true')).body.items;
  const one = async (measure: string): Promise<Restriction> => {
    const found = (await holding()).find((each) => each.measure === measure);
    assert.ok(found, `nothing of the measure ${measure} holds`);
    return found;
  };
  const daily = { meter: 'tokens', window: 'rolling', windowMinutes: 1_440, amount: 1_000 } as const;

  it('R5.4 begin in the moment a rung is passed, each told once, with reason, end and what to do', async () => {
    const id = newId('qta');
    await limited(acme.tenant.id, { ...daily, id });
    await used(acme.tenant.id, { value: 700 });
    assert.deepEqual(await holding(), []);
    await used(acme.tenant.id, { value: 110 });
    assert.deepEqual(
      (await holding()).map(({ measure }) => measure),
      ['warn'],
    );
    await used(acme.tenant.id, { value: 190 });
    await used(acme.tenant.id, { value: 1 });
    assert.deepEqual((await holding()).map(({ measure }) => measure).sort(), ['refuse', 'slow', 'warn']);
    const refusal = await one('refuse');
    assert.deepEqual([refusal.quotaId, refusal.madeBy, refusal.until], [id, 'tenant', null]);
    assert.match(refusal.reason, /limit of 1,000 tokens in any 24 hours is used up to 100 %.*: 1,000 of it/);
    assert.match(refusal.whatToDo, /POST \/v1\/quota-requests/);
    const text = "SELECT id FROM notifications WHERE data -> 'restrictions' @> $1::jsonb";
    const told = await within(text, [JSON.stringify([{ restrictionId: refusal.id }])]);
    assert.equal(told.length, 1);
    assert.equal((await written('begin UsageRestriction')).length, 3);
  });

  it('R5.4 refuse runs with what, why, until when and what to do, and can be asked about', async () => {
    const until = new Date(Date.now() + 3_600_000);
    const id = await restricted(acme.tenant.id, { until });
    const refused = await run();
    assert.deepEqual([refused.status, refused.body.code], [429, 'restricted'], refused.text);
    assert.deepEqual(refused.body.restriction.href, `/v1/usage-restrictions/${id}`);
    assert.match(
      refused.body.detail,
      /the limit of 1,000 tokens a month is used .*ends by itself at .*can lift it.*quota-requests/,
    );
    const wait = Number(refused.headers['retry-after']);
    assert.ok(wait > 3_500 && wait <= 3_600, String(wait));
    const why = await builder.call<Explanation>('GET', refused.body.explanation);
    assert.deepEqual([why.status, why.body.code, why.body.inputs?.id], [200, 'restricted', id], why.text);
    assert.deepEqual(why.body.changeableBy.roles, ['owner', 'admin']);
    assert.match(why.body.changeableBy.how, /usage-restrictions/);
    assert.equal((await builder.call('GET', '/v1/agents')).status, 200, 'what uses nothing goes on');
  });

  it('R5.4 end by themselves when the limit is raised, and that is told', async () => {
    const id = newId('qta');
    await limited(acme.tenant.id, { ...daily, id });
    await used(acme.tenant.id, { value: 1_000 });
    assert.equal((await run()).status, 429);
    const text = 'UPDATE quotas SET amount = 10000 WHERE id = $1';
    await changeLimits(await placed(acme.tenant.id), text, [id]);
    await settle();
    assert.deepEqual(await holding(), []);
    assert.equal((await run()).status, 202);
    const ended = "SELECT id FROM notifications WHERE kind IN ('quota.resolved', 'restriction.ended')";
    assert.equal((await within(ended)).length, 1);
  });

  it('R5.4 end with the change of a limit that makes room, in the moment it is made', async () => {
    const refused = async () => (await holding()).some(({ measure }) => measure === 'refuse');
    const made = await acme.call<{ id: string }>('POST', '/v1/quotas', { ...daily, scope: 'tenant' });
    const path = `/v1/quotas/${made.body.id}`;
    await used(acme.tenant.id, { value: 1_000 });
    assert.equal(await refused(), true);
    await acme.call('PATCH', path, { amount: 5_000 });
    assert.equal(await refused(), false);
    await acme.call('PATCH', path, { amount: 900 });
    assert.equal(await refused(), true);
    await acme.call('DELETE', path);
    assert.equal(await refused(), false);
    const plan = `/v1/tenants/${acme.tenant.id}/quotas/plan.tokens`;
    const set = (amount: number) => operator().call('PUT', plan, { amount, reason: 'a test' });
    // An operator's change is carried on once it is answered.
    const becomes = async (wanted: boolean) => {
      for (let left = 100; left > 0 && (await refused()) !== wanted; left--) await pause(50);
      assert.equal(await refused(), wanted);
    };
    assert.equal((await set(1_000)).status, 200);
    await becomes(true);
    await set(9_000);
    await becomes(false);
  });

  it('R5.4 hold no longer than their time, whether or not anybody looks after them', async () => {
    await restricted(acme.tenant.id, { until: new Date(Date.now() - 1) });
    assert.equal((await run()).status, 202);
    const { body } = await acme.call<{ items: Restriction[] }>('GET', '/v1/usage-restrictions');
    assert.deepEqual(
      body.items.map(({ state }) => state),
      ['ended'],
    );
  });

  it('R5.4 are lifted by administrators where their own rules made them, and stay lifted for the same cause', async () => {
    await limited(acme.tenant.id, { ...daily });
    await used(acme.tenant.id, { value: 1_000 });
    const { id } = await one('refuse');
    assert.equal((await builder.call('DELETE', `/v1/usage-restrictions/${id}`)).status, 403);
    const lifted = await acme.call<Restriction>('DELETE', `/v1/usage-restrictions/${id}?reason=month-end`);
    assert.deepEqual(
      [lifted.status, lifted.body.state, lifted.body.lifted?.reason],
      [200, 'lifted', 'month-end'],
    );
    await used(acme.tenant.id, { value: 500 });
    await settle();
    assert.equal((await run()).status, 202);
    assert.equal((await acme.call('DELETE', `/v1/usage-restrictions/${id}`)).status, 409);
    const [event] = await written('lift UsageRestriction');
    assert.equal(event?.reason, 'month-end');
    assert.doesNotMatch(lifted.body.whatToDo, /lift/);
  });

  it('R5.4 of the platform are not for administrators to lift', async () => {
    const id = await restricted(acme.tenant.id, { madeBy: 'platform' });
    const refused = await acme.call<Problem>('DELETE', `/v1/usage-restrictions/${id}`);
    assert.equal(refused.status, 409);
    assert.match(refused.body.detail, /operators/);
    const path = `/v1/tenants/${acme.tenant.id}/usage-restrictions`;
    const listed = await operator().call<{ items: Restriction[] }>('GET', path);
    assert.deepEqual(
      listed.body.items.map((each) => each.id),
      [id],
    );
    const lifted = await operator().call<Restriction>('DELETE', `${path}/${id}?reason=goodwill`);
    assert.deepEqual([lifted.status, lifted.body.state], [200, 'lifted'], lifted.text);
    assert.equal((await operator().call('DELETE', `${path}/${id}`)).status, 409);
    assert.equal((await operator().call('DELETE', `${path}/${newId('rsn')}`)).status, 404);
    assert.equal((await run()).status, 202);
  });
});
