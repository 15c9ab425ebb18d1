import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { type KeyHolder, useSharedModels } from '../support/people.ts';
import { allow, deny, give, madeAgent, madeRole, type Preview, personWith, take } from '../support/roles.ts';
import { type Member, member } from '../support/tenants.ts';

type Inputs = { inputs: Record<string, unknown> | null };

/** Where an object is spoken of beside its own address. */
describe('what may not be read', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member();
  });

  const refusedAt = async (as: KeyHolder, agent: string) =>
    String((await as.call('PATCH', `/v1/agents/${agent}`, { description: 'x' })).headers['x-request-id']);
  const explained = (as: Pick<Member, 'call'>, requestId: string) =>
    as.call<Inputs>('GET', `/v1/explanations/${requestId}`);

  it('R4.3 is told by no explanation, neither to the refused nor to an overseer', async () => {
    const agent = await madeAgent(acme, { tags: ['canary'], environment: 'staging' });
    const readsModel = allow('read', { fields: ['model'] });
    const why = { effect: 'allow', action: 'read', subject: 'Refusal' };
    const [narrow, overseer] = await Promise.all([
      madeRole(acme, [readsModel, { ...why, when: { ownerId: 'me' } }]),
      madeRole(acme, [readsModel, why]),
    ]);
    const person = await personWith(acme, narrow);
    const own = await refusedAt(person, agent);
    for (const reader of [person, await personWith(acme, overseer)]) {
      const { status, body } = await explained(reader, own);
      assert.deepEqual([status, body.inputs], [200, {}]);
    }
    const blind = await personWith(acme, await madeRole(acme, [why]));
    assert.equal((await explained(blind, own)).body.inputs, null);
    assert.deepEqual((await explained(acme, own)).body.inputs, {
      own: false,
      tags: ['canary'],
      environment: 'staging',
    });
  });

  it('R4.5 is told by no simulation', async () => {
    const agent = await madeAgent(acme, { tags: ['canary'], environment: 'staging' });
    const asks = { effect: 'allow', action: 'simulate', subject: 'Permission' };
    const [blind, narrow] = [
      await personWith(acme, await madeRole(acme, [asks])),
      await personWith(acme, await madeRole(acme, [asks, allow('read', { fields: ['model'] })])),
    ];
    const { id: builder } = await personWith(acme, 'builder');
    const ask = (as: KeyHolder, id: string) =>
      as.call<Inputs & { allowed: boolean; detail: string }>('POST', '/v1/permissions/simulations', {
        principalId: builder,
        action: 'update',
        subject: { type: 'Agent', id },
      });
    const nowhere = newId('agt');
    const [hidden, absent] = [await ask(blind, agent), await ask(blind, nowhere)];
    assert.deepEqual([hidden.status, absent.status], [422, 422]);
    assert.equal(hidden.body.detail, absent.body.detail.replace(nowhere, agent));
    const { status, body } = await ask(narrow, agent);
    assert.deepEqual([status, body.allowed, body.inputs], [200, true, {}]);
  });

  it('R4.5 is counted in dry runs, and not named', async () => {
    const org = await member();
    const [plain, secret] = [await madeAgent(org), await madeAgent(org, { tags: ['secret'] })];
    const [builder, newcomer] = [await personWith(org, 'builder'), await personWith(org)];
    const theirs = [await madeAgent(builder, { tags: ['secret'] }), await madeAgent(builder)];
    assert.equal((await take(org, builder.id, 'builder')).status, 200);
    const role = await madeRole(org, [allow('update')]);
    const on = (subject: string, ...actions: string[]) => actions.map((action) => allow(action, { subject }));
    const narrow = await madeRole(org, [
      allow('read'),
      deny('read', { when: { tags: { any: ['secret'] } } }),
      ...[allow('update'), ...on('Role', 'assign', 'update'), ...on('User', 'read', 'delete')],
    ]);
    const asker = await personWith(org, narrow);

    const all = [plain, secret, ...theirs];
    const given = async (by: typeof org | KeyHolder) =>
      (await give(by, newcomer.id, role, '?dryRun=true')).body.affected[0]?.changes[0]?.gained;
    assert.deepEqual(await given(org), { count: 4, sample: all.toSorted() });
    assert.deepEqual(await given(asker), { count: 4, sample: [plain, theirs[1]].toSorted() });

    assert.equal((await give(org, newcomer.id, role)).status, 200);
    const rules = [allow('update', { when: { tags: { any: ['other'] } } })];
    const lost = async (by: typeof org | KeyHolder) =>
      (await by.call<Preview>('PATCH', `/v1/roles/${role}?dryRun=true`, { rules })).body.affected[0]
        ?.changes[0]?.lost;
    assert.deepEqual(await lost(asker), { count: 4, sample: [plain, theirs[1]].toSorted() });

    type Removal = { would: { handOn: { agents: { count: number; sample: { id: string }[] } } } };
    const { body } = await asker.call<Removal>('DELETE', `/v1/users/${builder.id}?dryRun=true`);
    const { count, sample } = body.would.handOn.agents;
    assert.deepEqual([count, sample.map(({ id }) => id)], [2, [theirs[1]]]);
  });
});
