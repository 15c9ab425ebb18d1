import assert from 'node:assert/strict';
import type { Sql } from '../../models/scope.ts';
import { rightsOfPrincipal } from '../../models/tenant/rights.ts';
import { authorize } from '../../policies/authorize.ts';
import {
  asking,
  assertRefused,
  type Key,
  type KeyProblem,
  made,
  reads,
  rotated,
  service,
  within,
  writes,
} from '../support/keys.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

describe('what an API key may do', () => {
  let acme: Member;
  let admin: KeyHolder;
  let builder: KeyHolder;
  let viewer: KeyHolder;
  before(async () => {
    useSharedModels();
    acme = await member();
    [admin, builder, viewer] = await Promise.all([
      signedInPerson(acme.tenant.id, 'admin'),
      signedInPerson(acme.tenant.id, 'builder'),
      signedInPerson(acme.tenant.id, 'viewer'),
    ]);
  });

  const inAcme = <T>(act: (sql: Sql) => Promise<T>) => within(acme.tenant.id, act);
  const setRole = (id: string, role: string) =>
    inAcme(async (sql) => {
      await sql('DELETE FROM role_assignments WHERE principal_id = $1', [id]);
      await sql('INSERT INTO role_assignments (principal_id, role) VALUES ($1, $2)', [id, role]);
    });

  describe('a key of a person', () => {
    it('R4.1 belongs to whoever makes it, follows their roles and shows its token once', async () => {
      const key = await made(builder);
      assert.deepEqual(
        [key.kind, key.ownerId, key.createdBy, key.roles, key.state],
        ['user', builder.id, builder.id, null, 'active'],
      );
      assert.ok(key.token.startsWith(key.prefix) && key.prefix.length < key.token.length - 25);
      assert.equal(await writes(key), 201);
      const shown = await builder.call<Key>('GET', `/v1/api-keys/${key.id}`);
      assert.equal(shown.headers.etag, '"1"');
      assert.ok(!shown.text.includes(key.token));
    });

    it('R4.3 with roles of its own has those and no others', async () => {
      const key = await made(builder, { roles: ['viewer'] });
      assert.deepEqual([await reads(key), await writes(key)], [200, 403]);
    });

    it('R4.3 owns what is its owner’s: agents made with it belong to the person', async () => {
      const key = await made(builder);
      const agent = await key.call<{ ownerId: string }>('POST', '/v1/agents', {
        name: 'by key',
        model: 'demo',
      });
      assert.equal(agent.body.ownerId, builder.id);
    });

    for (const roles of [undefined, ['builder']]) {
      it(`R4.3 can do no more than its owner may now, from the next request on (${roles ?? 'following'})`, async () => {
        const owner = await signedInPerson(acme.tenant.id, 'builder');
        const key = await made(owner, roles && { roles });
        assert.equal(await writes(key), 201);
        await setRole(owner.id, 'viewer');
        assert.deepEqual([await reads(key), await writes(key)], [200, 403]);
        await inAcme((sql) => sql('DELETE FROM role_assignments WHERE principal_id = $1', [owner.id]));
        assert.equal(await reads(key), 403);
        await setRole(owner.id, 'admin');
        assert.equal(await writes(key), 201);
      });
    }

    it('R4.3 that has lost all its roles does not begin to follow its owner', async () => {
      const key = await made(builder, { roles: ['viewer'] });
      await inAcme((sql) => sql('DELETE FROM role_assignments WHERE principal_id = $1', [key.id]));
      assert.equal(await reads(key), 403);
    });

    it('R4.1 stops with its owner’s access, and goes on with it', async () => {
      const owner = await signedInPerson(acme.tenant.id, 'builder');
      const key = await made(owner);
      const become = (state: string) =>
        inAcme((sql) => sql('UPDATE users SET state = $2 WHERE id = $1', [owner.id, state]));
      await become('inactive');
      assert.equal(await reads(key), 401);
      await become('active');
      assert.equal(await reads(key), 200);
    });
  });

  it('R4.5 counts for work that goes on as well: what a revoked key asked for is not carried on', async () => {
    const owner = await signedInPerson(acme.tenant.id, 'builder');
    const key = await made(owner, { roles: ['builder'] });
    const may = (action: 'read' | 'create') =>
      inAcme(async (sql) => {
        const rights = await rightsOfPrincipal(sql, acme.tenant.id, key.id);
        return authorize(rights, action, { type: 'Agent', object: {} }).allowed;
      });
    assert.equal(await may('create'), true);
    await setRole(owner.id, 'viewer');
    assert.deepEqual([await may('read'), await may('create')], [true, false]);
    await acme.call('DELETE', `/v1/api-keys/${key.id}`);
    assert.equal(await may('read'), false);
  });

  describe('a service key', () => {
    it('R4.1 belongs to nobody and has roles of its own', async () => {
      const key = await service(admin, 'viewer');
      assert.deepEqual([key.kind, key.ownerId, key.roles], ['service', null, ['viewer']]);
      assert.deepEqual([await reads(key), await writes(key)], [200, 403]);
    });

    it('R4.1 needs roles, and says so', async () => {
      const reply = await asking<KeyProblem>(admin, { name: 'Nightly', kind: 'service' });
      assert.deepEqual([reply.status, reply.body.errors?.[0]?.pointer], [400, '/roles']);
    });

    it('R4.3 is not made by somebody who may make only their own', async () => {
      for (const who of [builder, viewer])
        assert.equal((await asking(who, { name: 'x', kind: 'service', roles: ['viewer'] })).status, 403);
    });

    it('R4.1 makes no key in a person’s name', async () => {
      const key = await service(admin, 'admin');
      assertRefused(await asking(key, { name: 'x', kind: 'user' }), 409, /belongs to nobody/);
    });
  });

  describe('nobody gets more by a key', () => {
    it('R4.3 than they hold: neither for a service nor for themselves', async () => {
      for (const [who, kind] of [
        [admin, 'service'],
        [admin, 'user'],
        [builder, 'user'],
      ] as const) {
        const roles = who === admin ? ['owner'] : ['admin'];
        assertRefused(await asking(who, { name: 'x', kind, roles }), 403, /do not hold: may /);
      }
    });

    it('R4.3 than the key they make it with holds', async () => {
      const key = await made(admin, { roles: ['builder'] });
      const following = await asking<KeyProblem>(key, { name: 'x', kind: 'user' });
      assert.deepEqual([following.status, following.body.errors?.[0]?.pointer], [400, '/roles']);
      assertRefused(await asking(key, { name: 'x', kind: 'user', roles: ['admin'] }), 403, /do not hold/);
      assert.equal((await made(key, { roles: ['builder'] })).ownerId, admin.id);
    });

    it('R4.3 by exchanging one that may do more: a lesser key of the same person, or another administrator', async () => {
      const following = await made(admin);
      const lesser = await made(admin, { roles: ['builder'] });
      assertRefused(await rotated(lesser, following), 403, /may do what you may not/);
      const owners = await service(acme, 'owner');
      assertRefused(await rotated(admin, owners), 403, /may do what you may not/);
      assert.equal((await rotated(acme, owners)).status, 200);
    });

    it('R4.3 by exchanging a key that acts in another person’s name', async () => {
      assertRefused(await rotated(acme, await made(builder)), 403, /only they can exchange it/);
    });

    it('R4.3 by roles that may not be held together, or that do not exist', async () => {
      await inAcme((sql) =>
        sql(
          `INSERT INTO duty_separations (id, name, roles) VALUES ('dut_x', 'Four eyes', '{auditor,billing}')`,
        ),
      );
      const apart = { name: 'x', kind: 'service', roles: ['auditor', 'billing'] };
      assertRefused(await asking(acme, apart), 409, /Four eyes/);
      const unknown = await asking<KeyProblem>(acme, {
        name: 'x',
        kind: 'service',
        roles: ['viewer', 'boss'],
      });
      assert.deepEqual([unknown.status, unknown.body.errors?.[0]?.pointer], [400, '/roles/1']);
    });
  });
});
