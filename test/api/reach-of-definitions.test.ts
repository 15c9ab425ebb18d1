import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { type KeyHolder, placed, useSharedModels } from '../support/people.ts';
import { deny, madeAgent, madeRole, personWith } from '../support/roles.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Fault = { pointer: string; code: string; detail: string };
type Problem = { code: string; detail: string; errors?: Fault[] };
type Made = { id: string };

/** A definition reaches no further than whoever saves, publishes or starts it. */
describe('what a definition names', () => {
  let acme: Member;
  let blind: KeyHolder;
  let secret: string;
  let open: string;

  before(async () => {
    useSharedModels();
    acme = await member();
    secret = await madeAgent(acme, { tags: ['secret'] });
    open = await madeAgent(acme);
    const unseen = [deny('read', { when: { tags: { any: ['secret'] } } })];
    blind = await personWith(acme, 'builder', await madeRole(acme, unseen));
  });

  const step = (agentId: string) => ({ id: 'ask', kind: 'agent', agentId, prompt: 'x' });
  const flow = async (as: Pick<Member, 'call'>, steps: object[]): Promise<string> => {
    const body = { name: freshSlug('flow'), definition: { steps } };
    const reply = await as.call<Made>('POST', '/v1/workflows', body);
    assert.equal(reply.status, 201, reply.text);
    return reply.body.id;
  };
  const publish = (as: Pick<Member, 'call'>, kind: string, id: string) =>
    as.call<Problem>('POST', `/v1/${kind}/${id}/versions`, {});

  it('R4.1 is checked and published as if what one may not read were not there', async () => {
    const body = { definition: { steps: [step(secret)] } };
    const checked = await blind.call<{ faults: Fault[] }>('POST', '/v1/workflows/checks', body);
    assert.deepEqual(
      checked.body.faults.map(({ pointer, code }) => `${pointer} ${code}`),
      ['/steps/0/agentId unknown'],
    );
    assert.equal((await publish(blind, 'workflows', await flow(blind, [step(secret)]))).status, 422);
    assert.equal((await publish(acme, 'workflows', await flow(acme, [step(secret)]))).status, 201);
    assert.equal((await publish(blind, 'workflows', await flow(blind, [step(open)]))).status, 201);
    const tools = [{ kind: 'hand-off', name: 'ask', description: 'x', agentId: secret }];
    const handing = await madeAgent(blind, { tools });
    const refused = await publish(blind, 'agents', handing);
    assert.equal(refused.status, 422, refused.text);
    assert.equal(refused.body.errors?.[0]?.pointer, '/tools/0/agentId');
  });

  it('R4.1 is run by nobody who may not read all of it, however deep', async () => {
    assert.equal((await publish(acme, 'agents', secret)).status, 201);
    const inner = await flow(acme, [step(secret)]);
    assert.equal((await publish(acme, 'workflows', inner)).status, 201);
    const outer = await flow(acme, [{ id: 'sub', kind: 'workflow', workflowId: inner }]);
    assert.equal((await publish(acme, 'workflows', outer)).status, 201);
    for (const workflowId of [inner, outer]) {
      const reply = await blind.call<Problem>('POST', '/v1/runs', { workflowId });
      assert.equal(reply.status, 422, reply.text);
      assert.match(reply.body.detail, /The step “ask” names what is not there/);
      assert.ok(!reply.text.includes(secret), 'the refusal names the step, not what it holds');
      assert.equal((await acme.call('POST', '/v1/runs', { workflowId })).status, 202);
    }
  });

  it('R3.1 shows settings of an agent that is not there, or another tenant’s, as nothing at all', async () => {
    const globex = await member();
    const foreign = await madeAgent(globex);
    for (const path of [`/v1/settings?agent=${foreign}`, `/v1/settings/runs.maxSteps?agent=${foreign}`])
      assert.equal((await acme.call('GET', path)).status, 404, path);
    assert.equal((await acme.call('GET', `/v1/settings?agent=${open}`)).status, 200);
  });

  it('R6.3 keeps what might be of a person under a legal hold, under whatever name it is remembered', async () => {
    const [held, other] = [await personWith(acme, 'viewer'), await personWith(acme, 'viewer')];
    const remembered = async (subjectId: string): Promise<string> => {
      const reply = await acme.call<Made>('POST', `/v1/agents/${open}/memories`, { text: 'x', subjectId });
      assert.equal(reply.status, 201, reply.text);
      return reply.body.id;
    };
    const [mine, theirs, named] = [
      await remembered(` ${held.id.toUpperCase()} `),
      await remembered(other.id),
      await remembered('grace@hopper.example'),
    ];
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql(
        "INSERT INTO legal_holds (id, class, subject_id, reason, created_by) VALUES ('hld_2', NULL, $1, 'a case', '{}')",
        [held.id],
      ),
    );
    const erase = async (id: string) =>
      (await acme.call('DELETE', `/v1/agents/${open}/memories/${id}`)).status;
    const erasePerson = async (subjectId: string) =>
      (await acme.call('DELETE', '/v1/memories', { subjectId })).status;
    assert.deepEqual([await erase(mine), await erase(named), await erase(theirs)], [409, 409, 204]);
    assert.deepEqual(
      [
        await erasePerson(held.id.toUpperCase()),
        await erasePerson('grace@hopper.example'),
        await erasePerson(other.id),
      ],
      [409, 409, 200],
    );
  });
});
