import assert from 'node:assert/strict';
import { callerOf, type Reply } from '../support/client.ts';
import { made, within } from '../support/keys.ts';
import { type KeyHolder, keyHolder, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Problem = { code: string; detail: string; explanation?: string; quota: { id: string } };
type Explanation = {
  code: string;
  detail: string;
  inputs: { id: string; meter: string; limit: number } | null;
  rule: string;
  changeableBy: { how: string; roles: string[]; people: { name: string }[] };
};

describe('asking why a limit refused', () => {
  let acme: Member;
  let builder: KeyHolder;
  let agentId: string;
  beforeEach(async () => {
    useSharedModels();
    acme = await member({ plan: 'business', quotas: { runs: 2 } });
    builder = await keyHolder(acme.tenant.id, 'builder');
    const agent = { name: freshSlug('agent'), model: 'demo' };
    agentId = (await builder.call<{ id: string }>('POST', '/v1/agents', agent)).body.id;
  });

  const run = () =>
    builder.call<Problem>('POST', '/v1/runs', {
      agentId,
      environment: 'draft',
      input: { prompt: 'say: hi' },
    });
  const explained = (as: Pick<Member, 'call'>, refused: Reply<Problem>) =>
    as.call<Explanation>('GET', `/v1/explanations/${refused.headers['x-request-id']}`);

  it('R5.2 R4.5 tells which limit it was, in words and by its id, and who can change one of the organisation’s own', async () => {
    const limit = { meter: 'runs', window: 'day', scope: 'agent', scopeId: agentId, amount: 1 };
    const { body: quota } = await acme.call<{ id: string }>('POST', '/v1/quotas', limit);
    assert.equal((await run()).status, 202);
    const refused = await run();
    assert.deepEqual([refused.status, refused.body.code], [429, 'quota-exceeded'], refused.text);
    assert.match(
      refused.body.detail,
      /the limit is 1 run a day for this agent, of which \d used and \d reserved/,
    );
    assert.equal(refused.body.explanation, `/v1/explanations/${refused.headers['x-request-id']}`);
    const { body } = await explained(builder, refused);
    assert.deepEqual(
      [body.code, body.detail, body.rule],
      ['quota-exceeded', refused.body.detail, `limit ${quota.id}: at most 1 run`],
    );
    assert.deepEqual([body.inputs?.id, body.inputs?.meter, body.inputs?.limit], [quota.id, 'runs', 1]);
    assert.match(body.changeableBy.how, new RegExp(`PATCH /v1/quotas/${quota.id}`));
    assert.deepEqual(body.changeableBy.roles, ['owner', 'admin']);
    const { people } = (await explained(acme, refused)).body.changeableBy;
    assert.ok(
      people.some(({ name }) => name === 'Ada Admin'),
      JSON.stringify(people),
    );
    assert.equal((await explained(await keyHolder(acme.tenant.id, 'auditor'), refused)).status, 200);
    assert.equal((await explained(await keyHolder(acme.tenant.id, 'builder'), refused)).status, 404);
  });

  it('R5.2 R4.5 tells of a limit of the plan that more can be asked for, and by whom', async () => {
    for (const _ of [1, 2]) assert.equal((await run()).status, 202);
    const refused = await run();
    assert.deepEqual(
      [refused.body.code, refused.body.quota?.id],
      ['quota-exceeded', 'plan.runs'],
      refused.text,
    );
    const { body } = await explained(builder, refused);
    assert.equal(body.inputs?.id, 'plan.runs');
    assert.match(body.changeableBy.how, /POST \/v1\/quota-requests, or another plan/);
    assert.deepEqual(body.changeableBy.roles.toSorted(), ['admin', 'billing', 'owner']);
  });

  /** These come in floods, say all there is to say themselves, and are over within a minute. */
  const unexplained = async (refused: Reply<Problem>) => {
    assert.deepEqual([refused.status, refused.body.code], [429, 'rate-limited'], refused.text);
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    assert.equal(refused.body.explanation, undefined);
    assert.equal((await explained(acme, refused)).status, 404);
    const text = 'SELECT id FROM audit_events WHERE request_id = $1';
    const kept = await within(acme.tenant.id, (sql) => sql(text, [refused.headers['x-request-id']]));
    assert.deepEqual(kept, []);
  };
  const refusedOf = (replies: Reply<Problem>[]) =>
    replies.find(({ status }) => status === 429) ?? assert.fail('nothing was refused');

  it('R5.2 keeps nothing of requests that come too fast: the refusal itself says what to do', async () => {
    const slow = callerOf((await made(acme, { requestsPerMinute: 1 })).token);
    const look = () => slow.call<Problem>('GET', '/v1/me');
    await unexplained(refusedOf(await Promise.all([look(), look(), look()])));
  });
});
