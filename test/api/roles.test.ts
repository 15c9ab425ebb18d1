import assert from 'node:assert/strict';
import type { Reply } from '../support/client.ts';
import { type KeyHolder, keyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Rule = Record<string, unknown>;
type Change = {
  action: string;
  subject: string;
  gained?: { count: number; sample: string[] };
  lost?: { count: number; sample: string[] };
  hides?: string[];
};
type Preview = { affected: { id: string; name: string; changes: Change[] }[]; further: number };
type Answer = {
  code: string;
  detail: string;
  missing?: string[];
  errors?: { pointer: string; detail: string }[];
};

const allow = (action: string, more: object = {}): Rule => ({
  effect: 'allow',
  action,
  subject: 'Agent',
  ...more,
});
const deny = (action: string, more: object = {}): Rule => ({ ...allow(action, more), effect: 'deny' });

describe('roles of a tenant’s own', () => {
  let acme: Member;
  const inTest = { environment: { any: ['development', 'staging'] } };

  before(async () => {
    useSharedModels();
    acme = await member();
  });

  const made = async (rules: Rule[], as = acme as Pick<Member, 'call'>): Promise<string> => {
    const name = freshSlug('role');
    const reply = await as.call('POST', '/v1/roles', { name, title: 'A role', rules });
    assert.equal(reply.status, 201, reply.text);
    return name;
  };
  const give = (userId: string, role: string, query = '') =>
    acme.call<Preview & Answer>('PUT', `/v1/users/${userId}/roles/${role}${query}`);
  const take = (userId: string, role: string, as: Pick<Member, 'call'> = acme) =>
    as.call<Answer>('DELETE', `/v1/users/${userId}/roles/${role}`);
  const person = async (...roles: string[]): Promise<KeyHolder> => {
    const someone = await signedInPerson(acme.tenant.id);
    for (const role of roles) assert.equal((await give(someone.id, role)).status, 200);
    return someone;
  };
  const agent = async (more: object = {}): Promise<string> => {
    const reply = await acme.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('agent'),
      model: 'demo',
      ...more,
    });
    assert.equal(reply.status, 201, reply.text);
    return reply.body.id;
  };
  const listed = async (as: Pick<Member, 'call'>): Promise<string[]> => {
    const { body } = await as.call<{ items: { id: string }[] }>('GET', '/v1/agents?limit=200');
    return body.items.map((each) => each.id);
  };

  it('R4.3 allow by environment, by tag and by owner, in lists and one by one alike', async () => {
    const [test, red, plain] = [
      await agent({ environment: 'staging' }),
      await agent({ tags: ['red', 'hot'] }),
      await agent({ tags: ['green'] }),
    ];
    const role = await made([
      allow('read', { when: inTest }),
      allow('read', { when: { tags: { any: ['red', 'blue'] } } }),
      allow('read', { when: { ownerId: 'me' } }),
      allow('create', { when: inTest }),
    ]);
    const someone = await person(role);
    const own = await someone.call<{ id: string }>('POST', '/v1/agents', {
      name: freshSlug('own'),
      model: 'demo',
      environment: 'development',
    });
    assert.equal(own.status, 201, own.text);
    const seen = await listed(someone);
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
    const id = await agent({ environment: 'staging' });
    const someone = await person(await made([allow('read'), allow('update', { when: inTest })]));
    const move = await someone.call<Answer>('PATCH', `/v1/agents/${id}`, { environment: 'production' });
    assert.equal(move.status, 403, move.text);
    const { body } = await acme.call<{ environment: string; version: number }>('GET', `/v1/agents/${id}`);
    assert.deepEqual([body.environment, body.version], ['staging', 1]);
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'x' })).status, 200);
  });

  it('R4.3 deny over every allow, whichever role either comes from', async () => {
    const id = await agent({ environment: 'production' });
    const someone = await person('builder');
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'x' })).status, 200);
    const freeze = await made([deny('update', { when: { environment: { any: ['production'] } } })]);
    assert.equal((await give(someone.id, freeze)).status, 200);
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'y' })).status, 403);
    const hidden = await made([deny('read', { when: { environment: { any: ['production'] } } })]);
    assert.equal((await give(someone.id, hidden)).status, 200);
    assert.equal((await someone.call('GET', `/v1/agents/${id}`)).status, 404);
    assert.ok(!(await listed(someone)).includes(id));
  });

  it('R4.3 hide fields wherever the object is shown, and refuse to be asked about them', async () => {
    const id = await agent({ instructions: 'the recipe', description: 'public', tags: ['field-test'] });
    const someone = await person(
      await made([allow('read', { fields: ['description', 'tags'] }), allow('update'), allow('create')]),
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
    const asked = await someone.call<Answer>('GET', '/v1/agents?model=demo');
    assert.equal(asked.status, 403);
    assert.match(asked.body.detail, /hide model/);
    const made2 = await someone.call<Shown>('POST', '/v1/agents', { name: freshSlug('x'), model: 'demo' });
    assert.ok(made2.status === 201 && !('model' in made2.body));
  });

  it('R4.4 change at once: the next request is judged by the rules as they are, also of another kind of credential', async () => {
    const role = await made([allow('read')]);
    const id = await agent();
    const someone = await person(role);
    assert.equal((await someone.call('GET', `/v1/agents/${id}`)).status, 200);
    assert.ok((await listed(someone)).includes(id));
    const change = (rules: Rule[]) => acme.call('PATCH', `/v1/roles/${role}`, { rules });
    assert.equal((await change([allow('read', { when: inTest })])).status, 200);
    assert.equal((await someone.call('GET', `/v1/agents/${id}`)).status, 404);
    assert.ok(!(await listed(someone)).includes(id));
    assert.equal((await change([allow('read'), allow('update')])).status, 200);
    assert.equal((await someone.call('PATCH', `/v1/agents/${id}`, { description: 'x' })).status, 200);
    assert.ok((await listed(someone)).includes(id));
  });

  it('R4.4 are judged by no rules that were only tried out', async () => {
    const role = await made([allow('read')]);
    const someone = await person('admin', role);
    const tried = [deny('read')];
    const locking = [{ effect: 'deny', action: 'update', subject: 'Role' }];
    const path = `/v1/roles/${role}`;
    assert.equal((await someone.call('PATCH', `${path}?dryRun=true`, { rules: tried })).status, 200);
    assert.equal((await someone.call('PATCH', path, { rules: locking })).status, 409);
    assert.equal(
      (await someone.call('PATCH', path, { rules: [allow('read'), allow('create')] })).status,
      200,
    );
    assert.equal((await someone.call('PATCH', path, { title: 'Still an administrator' })).status, 200);
    assert.equal((await someone.call('GET', '/v1/agents')).status, 200);
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
    const reply = await acme.call<Answer>('POST', '/v1/roles', {
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

  it('R4.3 reach no further than their author, in no round-about way', async () => {
    const admin = await person('admin');
    const refused = async (reply: Promise<Reply<Answer>>, pattern: RegExp) => {
      const { status, body, text } = await reply;
      assert.equal(status, 403, text);
      assert.match(body.detail, pattern);
    };
    const beyond = [{ effect: 'allow', action: 'administer', subject: 'Organisation' }];
    const body = { name: freshSlug('role'), title: 'x', rules: beyond };
    await refused(admin.call('POST', '/v1/roles', body), /may administer Organisation/);
    const role = await made([allow('read')]);
    await refused(admin.call('PATCH', `/v1/roles/${role}`, { rules: beyond }), /reaches further/);
    await refused(admin.call('PUT', `/v1/users/${admin.id}/roles/owner`), /reaches further/);
    const owners = await made(beyond);
    await refused(admin.call('PUT', `/v1/users/${admin.id}/roles/${owners}`), /reaches further/);
    await refused(admin.call('PATCH', `/v1/roles/${owners}`, { rules: [allow('read')] }), /as it is/);
    await refused(admin.call('DELETE', `/v1/roles/${owners}`), /reaches further/);
    const { body: me } = await acme.call<{ id: string }>('GET', '/v1/me');
    await refused(take(me.id, 'owner', admin), /reaches further/);
  });

  it('R4.3 that limit somebody are not taken off by themselves, nor put on an owner by an administrator', async () => {
    const admin = await person('admin');
    const limit = await made([deny('delete')]);
    assert.equal((await give(admin.id, limit)).status, 200);
    assert.equal((await take(admin.id, limit, admin)).status, 403);
    const open = await admin.call<Answer>('POST', '/v1/roles', {
      name: freshSlug('role'),
      title: 'x',
      rules: [allow('delete')],
    });
    assert.equal(open.status, 403);
    assert.deepEqual(open.body.missing, ['may delete Agent']);
    const { body: me } = await acme.call<{ id: string }>('GET', '/v1/me');
    assert.equal((await admin.call('PUT', `/v1/users/${me.id}/roles/${limit}`)).status, 403);
  });

  it('R4.1 leave the organisation an active owner, and nobody locks themselves out', async () => {
    const { body: me } = await acme.call<{ id: string }>('GET', '/v1/me');
    const alone = await take(me.id, 'owner');
    assert.equal(alone.status, 409);
    assert.match(alone.body.detail, /lock yourself out/);
    const second = await person('owner');
    const other = await take(me.id, 'owner', second);
    assert.equal(other.status, 200, other.text);
    const last = await second.call<Answer>('DELETE', `/v1/users/${second.id}/roles/owner`);
    assert.equal(last.status, 409);
    assert.equal((await second.call('PUT', `/v1/users/${me.id}/roles/owner`)).status, 200);
    // A deny is a way to lock out as well.
    const role = await made([allow('read')]);
    assert.equal((await give(me.id, role)).status, 200);
    const locked = [allow('read'), { effect: 'deny', action: 'update', subject: 'Role' }];
    const self = await acme.call<Answer>('PATCH', `/v1/roles/${role}`, { rules: locked });
    assert.equal(self.status, 409, self.text);
  });

  it('R4.1 keep one owner when two owners unmake each other at the same moment', async () => {
    const tenant = await member();
    const { body: first } = await tenant.call<{ id: string }>('GET', '/v1/me');
    const second = await signedInPerson(tenant.tenant.id, 'owner');
    const both = await Promise.all([
      tenant.call('DELETE', `/v1/users/${second.id}/roles/owner`),
      second.call('DELETE', `/v1/users/${first.id}/roles/owner`),
    ]);
    assert.deepEqual(both.map((reply) => reply.status).filter((status) => status === 200).length, 1);
  });

  it('R4.4 say before they change who would gain and lose what, on real objects, and change nothing', async () => {
    const tenant = await member();
    const call = tenant.call.bind(tenant);
    const rules = [allow('read'), allow('update')];
    await call('POST', '/v1/roles', { name: 'night-shift', title: 'Night shift', rules });
    const ids: string[] = [];
    for (const environment of ['production', 'production', 'staging'])
      ids.push(
        (await call<{ id: string }>('POST', '/v1/agents', { name: freshSlug('a'), model: 'm', environment }))
          .body.id,
      );
    const someone = await signedInPerson(tenant.tenant.id);
    const given = await call<Preview>('PUT', `/v1/users/${someone.id}/roles/night-shift?dryRun=true`);
    assert.deepEqual(
      given.body.affected[0]?.changes.map(({ action, gained }) => [action, gained?.count]),
      [
        ['read', 3],
        ['update', 3],
      ],
    );
    assert.equal((await someone.call('GET', `/v1/agents/${ids[0]}`)).status, 404);
    assert.equal((await call('PUT', `/v1/users/${someone.id}/roles/night-shift`)).status, 200);
    const will = [allow('read', { fields: ['description'] }), allow('update', { when: inTest })];
    const preview = await call<Preview>('PATCH', '/v1/roles/night-shift?dryRun=true', { rules: will });
    const [affected] = preview.body.affected;
    assert.equal(affected?.id, someone.id);
    const update = affected?.changes.find(({ action }) => action === 'update');
    assert.deepEqual(update?.lost, { count: 2, sample: ids.slice(0, 2).sort() });
    const read = affected?.changes.find(({ action }) => action === 'read');
    assert.ok(read?.hides?.includes('instructions') && !read.lost);
    const { body: unchanged } = await call<{ rules: Rule[]; version: number }>(
      'GET',
      '/v1/roles/night-shift',
    );
    assert.deepEqual([unchanged.rules, unchanged.version], [rules, 1]);
    assert.equal((await someone.call('PATCH', `/v1/agents/${ids[0]}`, { description: 'x' })).status, 200);
  });

  it('R4.4 are in the tenant’s trail with what was before and after', async () => {
    const role = await made([allow('read')]);
    const rules = [allow('read'), allow('update')];
    const patched = await acme.call('PATCH', `/v1/roles/${role}`, { rules });
    assert.equal(patched.status, 200, patched.text);
    const someone = await person(role);
    await take(someone.id, role);
    type Event = { action: string; details: Record<string, { rules?: unknown; roles?: unknown }> };
    const { body } = await acme.call<{ items: Event[] }>(
      'GET',
      `/v1/audit-events?subjectType=Role&subjectId=${role}`,
    );
    assert.deepEqual(
      body.items.map(({ action }) => action),
      ['assign Role', 'assign Role', 'update Role', 'create Role'],
    );
    assert.deepEqual(body.items[2]?.details.before?.rules, [allow('read')]);
    assert.deepEqual(body.items[2]?.details.after?.rules, rules);
    assert.deepEqual(body.items[0]?.details.before?.roles, [role]);
    assert.deepEqual(body.items[0]?.details.after?.roles, []);
  });

  it('R4.3 are not removed from under those who hold them', async () => {
    const role = await made([allow('read')]);
    const someone = await person(role);
    const used = await acme.call<Answer>('DELETE', `/v1/roles/${role}`);
    assert.equal(used.status, 409);
    assert.match(used.body.detail, /1 people or keys hold it/);
    await take(someone.id, role);
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
    const here = await person(name);
    const there = await keyHolder(globex.tenant.id);
    assert.equal((await here.call('GET', '/v1/agents')).status, 200);
    assert.equal((await there.call('GET', '/v1/agents')).status, 403);
  });
});

describe('separation of duty', () => {
  let acme: Member;

  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R4.3 keeps two roles from one person, in whichever order they are given', async () => {
    const someone = await signedInPerson(acme.tenant.id);
    const give = (role: string) => acme.call<Answer>('PUT', `/v1/users/${someone.id}/roles/${role}`);
    const separation = { name: 'Maker and checker', roles: ['builder', 'auditor', 'billing'] };
    const { status, body } = await acme.call<{ id: string }>('POST', '/v1/duty-separations', separation);
    assert.equal(status, 201);
    assert.equal((await give('builder')).status, 200);
    assert.equal((await give('viewer')).status, 200);
    const both = await give('auditor');
    assert.equal(both.status, 409);
    assert.match(both.body.detail, /“Maker and checker” keeps/);
    assert.equal((await acme.call('DELETE', `/v1/duty-separations/${body.id}`)).status, 204);
    assert.equal((await give('auditor')).status, 200);
    const late = await acme.call<Answer>('POST', '/v1/duty-separations', separation);
    assert.equal(late.status, 409);
    assert.match(late.body.detail, new RegExp(someone.id));
  });

  it('R4.3 holds when both roles are given at the same moment, whatever comes first', async () => {
    await acme.call('POST', '/v1/duty-separations', { name: 'Either', roles: ['operator', 'billing'] });
    for (let round = 0; round < 5; round++) {
      const someone = await signedInPerson(acme.tenant.id);
      const replies = await Promise.all(
        ['operator', 'billing'].map((role) => acme.call('PUT', `/v1/users/${someone.id}/roles/${role}`)),
      );
      assert.deepEqual(replies.map((reply) => reply.status).sort(), [200, 409]);
    }
  });

  it('R4.3 names roles that there are', async () => {
    const reply = await acme.call<Answer>('POST', '/v1/duty-separations', {
      name: 'x',
      roles: ['owner', 'king'],
    });
    assert.equal(reply.status, 422);
    assert.deepEqual(
      reply.body.errors?.map(({ pointer }) => pointer),
      ['/roles/1'],
    );
  });
});
