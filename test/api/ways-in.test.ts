import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { inTenant, readInTenant } from '../../models/scope.ts';
import { callerOf, type Reply } from '../support/client.ts';
import { made } from '../support/keys.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { deny, madeRole, personWith } from '../support/roles.ts';
import { enrol, resetToken, signIn } from '../support/sign-in.ts';
import { type Member, member, password } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

const newPassword = 'violet trombone escalator';
type Page = { items: { id: string }[] };

/** Password, second factor and sessions, and who may lay hands on those of a person. */
describe('ways in', () => {
  before(() => useSharedModels());

  it('R4.1 are not taken away by a key of their own person', async () => {
    const acme = await member();
    const { token } = await enrol(acme);
    const session = callerOf(token);
    const key = await made(session);
    const { items } = (await session.call<Page>('GET', '/v1/me/sessions')).body;
    const { body: me } = await session.call<{ id: string }>('GET', '/v1/me');
    for (const [method, path, body] of [
      ['DELETE', `/v1/users/${me.id}/second-factor`],
      ['DELETE', '/v1/me/second-factor', { currentPassword: password }],
      ['POST', '/v1/me/password', { currentPassword: password, newPassword }],
      ['POST', `/v1/users/${me.id}/password-reset`],
      ['DELETE', `/v1/me/sessions/${items[0]?.id}`],
      ['DELETE', '/v1/me/sessions'],
      ['DELETE', `/v1/users/${me.id}/sessions`],
    ] as const)
      assert.equal((await key.call(method, path, body)).status, 409, path);
    assert.equal((await session.call('GET', '/v1/me')).status, 200);
    assert.equal((await signIn(acme.tenant, acme)).body.code, 'second-factor-required');
  });

  it('R4.2 are taken away by nobody who may less than their person, active or not', async () => {
    const acme = await member();
    const [owner, admin] = [await personWith(acme, 'owner'), await personWith(acme, 'admin')];
    await enrol(owner);
    const ways = [
      ['DELETE', 'second-factor'],
      ['DELETE', 'sessions'],
      ['POST', 'password-reset'],
    ] as const;
    const tried = async () => {
      for (const [method, way] of ways) {
        const reply = await admin.call<{ missing: string[] }>(method, `/v1/users/${owner.id}/${way}`);
        assert.equal(reply.status, 403, way);
        assert.ok(reply.body.missing.length > 0);
      }
    };
    await tried();
    assert.equal((await acme.call('POST', `/v1/users/${owner.id}/deactivation`)).status, 200);
    await tried();
    const viewer = await personWith(acme, 'viewer');
    await enrol(viewer);
    for (const [method, way] of ways.toReversed())
      assert.ok((await admin.call(method, `/v1/users/${viewer.id}/${way}`)).status < 300, way);
  });

  it('R4.1 get no second factor from whoever has the session and not the password', async () => {
    const acme = await member();
    const propose = (as: Pick<Member, 'call'>, body?: object) =>
      as.call('POST', '/v1/me/second-factor', body);
    assert.equal((await propose(acme)).status, 400);
    assert.equal((await propose(acme, { currentPassword: 'not the password' })).status, 400);
    assert.equal((await propose(acme, { currentPassword: password })).status, 201);
    const owner = callerOf((await enrol(acme)).token);
    await owner.call('PATCH', '/v1/security-policy', { requireSecondFactor: true });
    const person = await personWith({ ...acme, ...owner }, 'viewer');
    assert.equal((await propose(person)).status, 201, 'right after signing in');
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql("UPDATE sessions SET created_at = created_at - interval '16 minutes'"),
    );
    assert.equal((await propose(person)).status, 400);
    assert.equal((await propose(person, { currentPassword: password })).status, 201);
  });

  it('R4.3 that a rule hides from their own person are in no list', async () => {
    const acme = await member();
    const hiding = { ...deny('read', { when: { ownerId: 'me' } }), subject: 'Session' };
    const someone = await personWith(acme, 'viewer', await madeRole(acme, [hiding]));
    assert.deepEqual((await someone.call<Page>('GET', '/v1/me/sessions')).body.items, []);
    assert.equal((await someone.call('GET', `/v1/users/${someone.id}/sessions`)).status, 404);
  });

  for (const { change, sql } of [
    { change: 'password', sql: "UPDATE identities SET secret = 'another' WHERE user_id = $1" },
    { change: 'membership', sql: "UPDATE users SET state = 'inactive' WHERE id = $1" },
    {
      change: 'second factor',
      sql: "INSERT INTO second_factors (user_id, sealed, confirmed_at) VALUES ($1, '', now())",
    },
  ])
    it(`R4.1 are asked for again by a sign-in that was under way when the ${change} changed`, async () => {
      const acme = await member();
      const { body: me } = await acme.call<{ id: string }>('GET', '/v1/me');
      const underWay = await inTenant(await placed(acme.tenant.id), async (tenant) => {
        await tenant.sql('SELECT id FROM users WHERE id = $1 FOR UPDATE', [me.id]);
        const reply = signIn(acme.tenant, acme);
        await waitedFor(acme.tenant.id);
        await tenant.sql(sql, [me.id]);
        return { reply };
      });
      const reply = await underWay.reply;
      assert.equal(reply.status, 401, reply.text);
      assert.equal(reply.body.code, 'unauthenticated');
    });

  it('R4.1 that are changed leave nobody signed in by the old ones, however many were just signing in', async () => {
    const acme = await member();
    const change = () => acme.call('POST', '/v1/me/password', { currentPassword: password, newPassword });
    assert.deepEqual(await survivors(acme, change), []);
    const globex = await member();
    const headers = { 'x-tenant': globex.tenant.slug };
    await callerOf().call('POST', '/v1/password-resets', { email: globex.email }, headers);
    const path = `/v1/password-resets/${await resetToken(globex.email)}`;
    const reset = () => callerOf().call('POST', path, { password: newPassword });
    assert.deepEqual(await survivors(globex, reset), []);
  });
});

/** Until another transaction of this tenant waits for a lock. */
async function waitedFor(tenantId: string): Promise<void> {
  await eventually(async () => {
    const [rows = []] = await readInTenant(await placed(tenantId), [
      { text: 'SELECT 1 FROM pg_locks l WHERE NOT l.granted', values: [] },
    ]);
    assert.ok(rows.length > 0);
  });
}

/** Tokens of sign-ins by the old password that are good after a change during them. */
async function survivors(org: Member, change: () => Promise<Reply<unknown>>): Promise<string[]> {
  const tokens: string[] = [];
  let over = false;
  const keepSigningIn = async () => {
    while (!over) {
      const { status, body } = await signIn(org.tenant, org);
      if (status === 201) tokens.push(body.token);
      else if (status === 401) return;
    }
  };
  const running = [keepSigningIn(), keepSigningIn(), keepSigningIn()];
  await pause(300);
  assert.equal((await change()).status, 204);
  over = true;
  await Promise.all(running);
  assert.ok(tokens.length > 0);
  const asked = tokens.map(async (token) => ({
    token,
    status: (await callerOf(token).call('GET', '/v1/me')).status,
  }));
  return (await Promise.all(asked)).filter(({ status }) => status !== 401).map(({ token }) => token);
}
