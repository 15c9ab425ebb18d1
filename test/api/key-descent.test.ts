import assert from 'node:assert/strict';
import { callerOf } from '../support/client.ts';
import { asking, type Key, type KeyProblem, made, reads, service, shown, within } from '../support/keys.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();

describe('a key made with a key', () => {
  let acme: Member;
  let admin: KeyHolder;
  let builder: KeyHolder;
  before(async () => {
    useSharedModels();
    acme = await member();
    [admin, builder] = await Promise.all([
      signedInPerson(acme.tenant.id, 'admin'),
      signedInPerson(acme.tenant.id, 'builder'),
    ]);
  });

  it('R4.1 ends with it at the latest, and says so to whoever wants more', async () => {
    const expiresAt = inSeconds(3_600);
    const key = await made(builder, { expiresAt });
    assert.equal((await made(key)).expiresAt, expiresAt);
    assert.equal(
      (await made(key, { expiresAt: inSeconds(60) })).expiresAt?.slice(0, 16),
      inSeconds(60).slice(0, 16),
    );
    const later = await asking<KeyProblem>(key, { name: 'x', kind: 'user', expiresAt: inSeconds(7_200) });
    assert.deepEqual([later.status, later.body.errors?.[0]?.pointer], [400, '/expiresAt']);
    assert.equal((await made(builder)).expiresAt, null);
  });

  it('R4.1 ends sooner when it does, and so do those made with that', async () => {
    const key = await made(builder);
    const child = await made(key);
    const grandchild = await made(child);
    const brief = await made(child, { expiresAt: inSeconds(60) });
    const expiresAt = inSeconds(600);
    assert.equal((await builder.call('PATCH', `/v1/api-keys/${key.id}`, { expiresAt })).status, 200);
    const ends = await Promise.all(
      [child, grandchild, brief].map(async (each) => (await shown(builder, each)).expiresAt),
    );
    assert.deepEqual(ends, [expiresAt, expiresAt, brief.expiresAt]);
  });

  it('R4.1 is revoked with it, however far down, and the trail tells of each', async () => {
    const key = await service(admin, 'admin');
    const child = await service(key, 'admin');
    const grandchild = await service(child, 'viewer');
    const other = await service(admin, 'viewer');
    assert.equal((await admin.call('DELETE', `/v1/api-keys/${key.id}`)).status, 204);
    const all = [key, child, grandchild, other];
    assert.deepEqual(await Promise.all(all.map(reads)), [401, 401, 401, 200]);
    for (const { id } of [key, child, grandchild]) {
      const path = `/v1/audit-events?subjectId=${id}&action=revoke%20ApiKey`;
      const { body } = await acme.call<{ items: { actor: { id: string } }[] }>('GET', path);
      assert.deepEqual(
        body.items.map(({ actor }) => actor.id),
        [admin.id],
      );
    }
    const listed = await admin.call<{ items: Key[] }>('GET', `/v1/api-keys?createdBy=${child.id}`);
    assert.deepEqual(
      listed.body.items.map(({ id }) => id),
      [grandchild.id],
    );
  });

  it('R4.1 is revoked with it or not made, when both are asked for at the same moment', async () => {
    for (let round = 0; round < 12; round++) {
      const key = await made(builder);
      const child = await made(key);
      const [made1, made2] = await Promise.all([
        asking(key, { name: 'x', kind: 'user' }),
        asking(child, { name: 'x', kind: 'user' }),
        new Promise((resolve) => setTimeout(resolve, round)).then(() =>
          builder.call('DELETE', `/v1/api-keys/${key.id}`),
        ),
      ]);
      for (const { status, body } of [made1, made2]) {
        assert.ok(status === 201 || status === 401, String(status));
        if (status === 201) assert.equal(await reads(callerOf(body.token)), 401);
      }
      assert.equal(await reads(child), 401);
      await within(acme.tenant.id, (sql) => sql('DELETE FROM api_keys WHERE revoked_at IS NOT NULL'));
    }
  });
});
