import assert from 'node:assert/strict';
import { inTenant, type Sql } from '../../models/scope.ts';
import type { Caller } from '../support/client.ts';
import {
  asking,
  assertRefused,
  type Key,
  type KeyProblem,
  made,
  reads,
  rotated,
  shown,
  status,
  within,
} from '../support/keys.ts';
import { type KeyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';
import { detailsIn } from '../support/trail.ts';

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

describe('API keys', () => {
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

  describe('seeing keys', () => {
    it('R4.3 shows everybody their own, and overseers all', async () => {
      const other = await signedInPerson(acme.tenant.id, 'builder');
      const key = await made(other, { name: 'Other’s' });
      const mine = await made(builder);
      const listed = async (who: Caller, query = '') =>
        (await who.call<{ items: Key[] }>('GET', `/v1/api-keys?limit=200${query}`)).body.items;
      assert.deepEqual(await listed(other), [await shown(other, key)]);
      assert.ok((await listed(builder)).every(({ ownerId }) => ownerId === builder.id));
      assert.deepEqual(await listed(viewer), []);
      assert.equal(await status(builder, 'GET', `/v1/api-keys/${key.id}`), 404);
      for (const [method, path, body] of [
        ['PATCH', '', { name: 'x' }],
        ['DELETE', ''],
        ['POST', '/rotation', {}],
      ] as const)
        assert.equal(await status(builder, method, `/v1/api-keys/${key.id}${path}`, body), 404);
      const all = await listed(admin);
      assert.ok([key, mine].every(({ id }) => all.some((each) => each.id === id)));
      assert.deepEqual(await listed(admin, `&owner=${other.id}`), await listed(other));
      assert.ok((await listed(admin, '&kind=service')).every(({ kind }) => kind === 'service'));
    });

    it('R4.1 tells by its state what can still be used, and pages', async () => {
      const owner = await signedInPerson(acme.tenant.id, 'builder');
      const [active, expired, revoked] = [await made(owner), await made(owner), await made(owner)];
      await inAcme((sql) =>
        sql(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]),
      );
      await owner.call('DELETE', `/v1/api-keys/${revoked.id}`);
      for (const [state, key] of Object.entries({ active, expired, revoked })) {
        const { body } = await owner.call<{ items: Key[] }>('GET', `/v1/api-keys?state=${state}`);
        assert.deepEqual(
          body.items.map(({ id }) => id),
          [key.id],
        );
      }
      type Page = { items: Key[]; nextCursor: string };
      const { body: first } = await owner.call<Page>('GET', '/v1/api-keys?limit=2');
      const { body: rest } = await owner.call<Page>('GET', `/v1/api-keys?limit=2&cursor=${first.nextCursor}`);
      const ids = [...first.items, ...rest.items].map(({ id }) => id);
      assert.deepEqual(ids, [revoked.id, expired.id, active.id]);
    });

    it('R4.1 tells when a key was last used, to the minute', async () => {
      const key = await made(builder);
      await reads(key);
      await eventually(async () => assert.ok((await shown(builder, key)).lastUsedAt));
      const { lastUsedAt, version } = await shown(builder, key);
      await reads(key);
      await reads(key);
      assert.deepEqual([(await shown(builder, key)).lastUsedAt, version], [lastUsedAt, 1]);
    });
  });

  describe('an end', () => {
    it('R4.1 comes at once by revocation, also where it was just used, and stays', async () => {
      const key = await made(builder);
      await rotated(builder, key);
      assert.equal(await reads(key), 200);
      assert.equal(await status(builder, 'DELETE', `/v1/api-keys/${key.id}`), 204);
      assert.equal(await reads(key), 401);
      assert.equal((await builder.call<Key>('GET', `/v1/api-keys/${key.id}`)).body.state, 'revoked');
      for (const again of [
        await builder.call('DELETE', `/v1/api-keys/${key.id}`),
        await builder.call('PATCH', `/v1/api-keys/${key.id}`, { name: 'x' }),
        await rotated(builder, key),
      ])
        assertRefused(again, 409, /revoked/);
    });

    it('R4.1 can be brought by an administrator to anybody’s key', async () => {
      const key = await made(builder);
      assert.equal(await status(admin, 'DELETE', `/v1/api-keys/${key.id}`), 204);
      assert.equal(await reads(key), 401);
    });

    it('R4.1 is in the future when it is set, and only ever comes sooner', async () => {
      const past = await asking<KeyProblem>(builder, { name: 'x', kind: 'user', expiresAt: inSeconds(-60) });
      assert.deepEqual([past.status, past.body.errors?.[0]?.pointer], [400, '/expiresAt']);
      const key = await made(builder, { expiresAt: inSeconds(3_600) });
      const path = `/v1/api-keys/${key.id}`;
      const later = await builder.call<KeyProblem>('PATCH', path, { expiresAt: inSeconds(7_200) });
      assert.deepEqual([later.status, later.body.errors?.[0]?.pointer], [400, '/expiresAt']);
      const sooner = await builder.call<Key>('PATCH', path, { expiresAt: inSeconds(2), name: 'Brief' });
      assert.deepEqual([sooner.status, sooner.body.name, sooner.body.version], [200, 'Brief', 2]);
      assert.equal(await reads(key), 200);
      await eventually(async () => assert.equal(await reads(key), 401));
    });
  });

  it('R4.1 are at most a hundred in one organisation, however many ask at once', async () => {
    const crowded = await member();
    const place = await placed(crowded.tenant.id);
    await inTenant(place, ({ sql }) =>
      sql(
        `INSERT INTO api_keys (id, name, token_hash) SELECT 'key_' || n, 'Filler', 'h' || n FROM generate_series(1, 98) n`,
      ),
    );
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => asking<KeyProblem>(crowded, { name: 'One more', kind: 'user' })),
    );
    assert.deepEqual(replies.map((reply) => reply.status).sort(), [201, 201, 409, 409, 409, 409]);
    const refused = replies.find((reply) => reply.status === 409);
    assert.match(refused?.body.detail ?? '', /100 active keys.*revoke one/);
  });

  it('R4.1 are in the trail with what was before and after, and without their tokens', async () => {
    const key = await made(builder);
    const renewed = await rotated(builder, key);
    await builder.call('DELETE', `/v1/api-keys/${key.id}`);
    const events = await inAcme((sql) =>
      sql<{ action: string }>('SELECT action FROM audit_events WHERE subject_id = $1 ORDER BY seq', [key.id]),
    );
    const details = await detailsIn<{ before?: Key; after?: Key }>(acme.tenant.id, 'subject_id = $1', key.id);
    assert.deepEqual(
      events.map(({ action }, at) => [action, details[at]?.before?.state, details[at]?.after?.state]),
      [
        ['create ApiKey', undefined, 'active'],
        ['rotate ApiKey', 'active', 'active'],
        ['revoke ApiKey', 'active', 'revoked'],
      ],
    );
    const text = JSON.stringify(events);
    for (const { token } of [key, renewed.body]) assert.ok(!text.includes(token.slice(key.prefix.length)));
  });
});
