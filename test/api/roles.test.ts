import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';

import { keyHolder, useSharedModels } from '../support/people.ts';
import {
  allow,
  deny,
  give,
  inTest,
  listedAgents,
  madeAgent,
  madeRole,
  personWith,
  type Refused,
  type Rule,
  take,
} from '../support/roles.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

describe('roles of a tenant’s own', () => {
  let acme: Member;

  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R4.3 allow by environment, by tag and by owner, in lists and one by one alike', async () => {
    const [test, red, plain] = [
      await madeAgent(acme, { environment: 'staging' }),
      await madeAgent(acme, { tags: ['red', 'hot'] }),
      await madeAgent(acme, { tags: ['green'] }),
    ];
    const role = await madeRole(acme, [
      allow('read', { when: inTest }),
      allow('read', { when: { tags: { any: ['red', 'blue'] } } }),
      allow('read', { when: { ownerId: 'me' } }),
      allow('create', { when: inTest }),
    ]);
    const someone = await personWith(acme, role);
    const own = await someone.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('own'),
      model: 'demo',
      environment: 'development',
    });
    assert.equal(own.status, 201, own.text);
    const seen = await listedAgents(someone);
    assert.deepEqual(
      [test, red, plain, own.body.id].map((id) => seen.includes(id)),
      [true, true, false, true],
    );
    const one = async (id: string) => (await someone.call('GET', `/v1/agents/${id}`)).status;
    assert.deepEqual(await Promise.all([test, red, plain].map(one)), [200, 200, 404]);
    const elsewhere = { name: freshSlug('own'), model: 'demo', environment: 'production' };
    assert.equal((await someone.call('POST', '/v1/agents', elsewhere)).status, 403);
  });

  it('R4.3 let nobody move an object to where it is not theirs to change', async () => {
    const id = await madeAgent(acme, { environment: 'staging' });
    const someone = await personWith(
      acme,
      await madeRole(acme, [allow('read'), allow('update', { when: inTest })]),
    );
    const move = await someone.call<Refused>('PATCH', `/v1/agents/${id}`, { environment: 'production' });
    assert.equal(move.status, 403, move.text);
    const { body } = await acme.call<{ environment: string; version: number }>('GET', `/v1/agents/${id}`);
    assert.deepEqual([body.environment, body.version], ['staging', 1]);
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'x' })).status, 200);
  });

  it('R4.3 deny over every allow, whichever role either comes from', async () => {
    const id = await madeAgent(acme, { environment: 'production' });
    const someone = await personWith(acme, 'builder');
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'x' })).status, 200);
    const freeze = await madeRole(acme, [deny('update', { when: { environment: { any: ['production'] } } })]);
    assert.equal((await give(acme, someone.id, freeze)).status, 200);
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'y' })).status, 403);
    const hidden = await madeRole(acme, [deny('read', { when: { environment: { any: ['production'] } } })]);
    assert.equal((await give(acme, someone.id, hidden)).status, 200);
    assert.equal((await someone.call('GET', `/v1/agents/${id}`)).status, 404);
    assert.ok(!(await listedAgents(someone)).includes(id));
  });

  it('R4.5 that hide some objects are not found out by ids: hidden and absent are answered alike', async () => {
    const hidden = await madeAgent(acme, { environment: 'production' });
    const denied = deny('read', { when: { environment: { any: ['production'] } } });
    const someone = await personWith(acme, await madeRole(acme, [allow('read'), denied]));
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? { description: 'x' } : undefined;
      const [there, nowhere] = await Promise.all(
        [hidden, newId('agt')].map((id) => someone.call<Refused>(method, `/v1/agents/${id}`, body)),
      );
      assert.deepEqual([method, there?.status, there?.body.detail], [method, 404, nowhere?.body.detail]);
      assert.equal(nowhere?.status, 404, method);
    }
  });

  it('R4.3 hide fields wherever the object is shown, and refuse to be asked about them', async () => {
    const id = await madeAgent(acme, {
      instructions: 'the recipe',
      description: 'public',
      tags: ['field-test'],
    });
    const someone = await personWith(
      acme,
      await madeRole(acme, [
        allow('read', { fields: ['description', 'tags'] }),
        allow('update'),
        allow('create'),
      ]),
    );
    type Shown = { items: Record<string, unknown>[] } & Record<string, unknown>;
    const whole = [
      (await someone.call<Shown>('GET', `/v1/agents/${id}`)).body,
      (await someone.call<Shown>('PATCH', `/v1/agents/${id}`, { description: 'still public' })).body,
      (await someone.call<Shown>('GET', '/v1/agents?tag=field-test')).body.items[0] ?? {},
    ];
    for (const shown of whole) {
      assert.equal(shown.id, id);
      assert.ok('description' in shown && 'tags' in shown);
      for (const hidden of ['instructions', 'model', 'ownerId', 'environment'])
        assert.ok(!(hidden in shown), hidden);
    }
    const asked = await someone.call<Refused>('GET', '/v1/agents?model=demo');
    assert.equal(asked.status, 403);
    assert.match(asked.body.detail, /hide model/);
    const made2 = await someone.call<Shown>('POST', '/v1/agents', { name: freshSlug('x'), model: 'demo' });
    assert.ok(made2.status === 201 && !('model' in made2.body));
  });

  it('R4.4 change at once: the next request is judged by the rules as they are, also of another kind of credential', async () => {
    const role = await madeRole(acme, [allow('read')]);
    const id = await madeAgent(acme);
    const someone = await personWith(acme, role);
    assert.equal((await someone.call('GET', `/v1/agents/${id}`)).status, 200);
    assert.ok((await listedAgents(someone)).includes(id));
    const change = (rules: Rule[]) => acme.call('PATCH', `/v1/roles/${role}`, { rules });
    assert.equal((await change([allow('read', { when: inTest })])).status, 200);
    assert.equal((await someone.call('GET', `/v1/agents/${id}`)).status, 404);
    assert.ok(!(await listedAgents(someone)).includes(id));
    assert.equal((await change([allow('read'), allow('update')])).status, 200);
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'x' })).status, 200);
    assert.ok((await listedAgents(someone)).includes(id));
  });

  it('R4.3 hold only rules that mean something, and say of each that does not what is wrong', async () => {
    const rules = [
      { effect: 'allow', action: 'create', subject: 'Tenant' },
      { effect: 'allow', action: 'suspend', subject: 'Agent' },
      { effect: 'allow', action: 'read', subject: 'Role', when: { tags: { any: ['x'] } } },
      { effect: 'allow', action: 'update', subject: 'Agent', fields: ['model'] },
      { effect: 'allow', action: 'read', subject: 'Agent', fields: ['version'] },
      { effect: 'allow', action: 'read', subject: 'Agent', when: { ownerId: 'usr_someone' } },
      { effect: 'allow', action: 'read', subject: 'Agent', when: { tenantId: 'x' } },
      { effect: 'allow', action: 'read', subject: 'Agent', when: { tags: { $ne: 'x' } } },
      { effect: 'allow', action: 'read', subject: 'Agent', when: { environment: { any: [] } } },
    ];
    const reply = await acme.call<Refused>('POST', '/v1/roles', {
      name: freshSlug('role'),
      title: 'x',
      rules,
    });
    assert.equal(reply.status, 400);
    const places = new Set(reply.body.errors?.map(({ pointer }) => pointer.split('/')[2]));
    assert.deepEqual(
      [...places].map(Number).sort(),
      rules.map((_, at) => at),
    );
    for (const name of ['owner', 'platform-owner', 'Über', 'x', '__proto__', 'a b']) {
      const named = await acme.call('POST', '/v1/roles', { name, title: 'x', rules: [allow('read')] });
      assert.equal(named.status, 400, name);
    }
  });

  it('R4.3 are not removed from under those who hold them', async () => {
    const role = await madeRole(acme, [allow('read')]);
    const someone = await personWith(acme, role);
    const used = await acme.call<Refused>('DELETE', `/v1/roles/${role}`);
    assert.equal(used.status, 409);
    assert.match(used.body.detail, /held by 1/);
    await take(acme, someone.id, role);
    assert.equal((await acme.call('DELETE', `/v1/roles/${role}`)).status, 204);
    assert.equal((await acme.call('DELETE', '/v1/roles/viewer')).status, 409);
    assert.equal((await acme.call('PATCH', '/v1/roles/owner', { title: 'King' })).status, 409);
  });

  it('R4.3 of one tenant are nothing in another, whatever they are called', async () => {
    const globex = await member();
    const name = freshSlug('role');
    const role = { name, title: 'Same name', rules: [allow('read')] };
    assert.equal((await acme.call('POST', '/v1/roles', role)).status, 201);
    assert.equal((await globex.call('GET', `/v1/roles/${name}`)).status, 404);
    const denied = [deny('read')];
    assert.equal((await globex.call('POST', '/v1/roles', { ...role, rules: denied })).status, 201);
    const here = await personWith(acme, name);
    const there = await keyHolder(globex.tenant.id);
    assert.equal((await here.call('GET', '/v1/agents')).status, 200);
    assert.equal((await there.call('GET', '/v1/agents')).status, 403);
  });
});
