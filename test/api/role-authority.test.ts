import assert from 'node:assert/strict';
import type { Reply } from '../support/client.ts';
import { signedInPerson, useSharedModels } from '../support/people.ts';
import {
  allow,
  deny,
  give,
  inTest,
  madeRole,
  type Preview,
  personWith,
  type Refused,
  type Rule,
  take,
} from '../support/roles.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

describe('roles, and those who change them', () => {
  let acme: Member;

  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R4.4 are judged by no rules that were only tried out', async () => {
    const role = await madeRole(acme, [allow('read')]);
    const someone = await personWith(acme, 'admin', role);
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

  it('R4.3 reach no further than their author, in no round-about way', async () => {
    const admin = await personWith(acme, 'admin');
    const refused = async (reply: Promise<Reply<Refused>>, pattern: RegExp) => {
      const { status, body, text } = await reply;
      assert.equal(status, 403, text);
      assert.match(body.detail, pattern);
    };
    const beyond = [{ effect: 'allow', action: 'administer', subject: 'Organisation' }];
    const body = { name: freshSlug('role'), title: 'x', rules: beyond };
    await refused(admin.call('POST', '/v1/roles', body), /may administer Organisation/);
    const role = await madeRole(acme, [allow('read')]);
    await refused(admin.call('PATCH', `/v1/roles/${role}`, { rules: beyond }), /reaches further/);
    await refused(admin.call('PUT', `/v1/users/${admin.id}/roles/owner`), /reaches further/);
    const owners = await madeRole(acme, beyond);
    await refused(admin.call('PUT', `/v1/users/${admin.id}/roles/${owners}`), /reaches further/);
    await refused(admin.call('PATCH', `/v1/roles/${owners}`, { rules: [allow('read')] }), /as it is/);
    await refused(admin.call('DELETE', `/v1/roles/${owners}`), /reaches further/);
    const { body: me } = await acme.call<{ id: string }>('GET', '/v1/me');
    await refused(take(admin, me.id, 'owner'), /reaches further/);
  });

  it('R4.3 that limit somebody are not taken off by themselves, nor put on an owner by an administrator', async () => {
    const admin = await personWith(acme, 'admin');
    const limit = await madeRole(acme, [deny('delete')]);
    assert.equal((await give(acme, admin.id, limit)).status, 200);
    assert.equal((await take(admin, admin.id, limit)).status, 403);
    const open = await admin.call<Refused>('POST', '/v1/roles', {
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
    const alone = await take(acme, me.id, 'owner');
    assert.equal(alone.status, 409);
    assert.match(alone.body.detail, /lock yourself out/);
    const second = await personWith(acme, 'owner');
    const other = await take(second, me.id, 'owner');
    assert.equal(other.status, 200, other.text);
    const last = await second.call<Refused>('DELETE', `/v1/users/${second.id}/roles/owner`);
    assert.equal(last.status, 409);
    assert.equal((await second.call('PUT', `/v1/users/${me.id}/roles/owner`)).status, 200);
    // A deny is a way to lock out as well.
    const role = await madeRole(acme, [allow('read')]);
    assert.equal((await give(acme, me.id, role)).status, 200);
    const locked = [allow('read'), { effect: 'deny', action: 'update', subject: 'Role' }];
    const self = await acme.call<Refused>('PATCH', `/v1/roles/${role}`, { rules: locked });
    assert.equal(self.status, 409, self.text);
  });

  it('R4.1 leave the organisation an active owner also when they are given: a role may deny', async () => {
    const alone = await member();
    const { body: me } = await alone.call<{ id: string }>('GET', '/v1/me');
    const rules = ['assign', 'update'].map((action) => ({ effect: 'deny', action, subject: 'Role' }));
    const denying = [{ effect: 'deny', action: 'administer', subject: 'Organisation' }];
    for (const role of [await madeRole(alone, rules), await madeRole(alone, denying)])
      assert.equal((await give(alone, me.id, role)).status, 409);
    assert.equal((await alone.call('GET', '/v1/roles')).status, 200);
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
    const role = await madeRole(acme, [allow('read')]);
    const rules = [allow('read'), allow('update')];
    const patched = await acme.call('PATCH', `/v1/roles/${role}`, { rules });
    assert.equal(patched.status, 200, patched.text);
    const someone = await personWith(acme, role);
    await take(acme, someone.id, role);
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
});
