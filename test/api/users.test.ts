import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { newToken } from '../../models/tokens.ts';
import { type Caller, callerOf } from '../support/client.ts';
import { freshAddress, inviteAs, mailedToken, type Problem } from '../support/invitations.ts';
import { made, reads, service } from '../support/keys.ts';
import { type KeyHolder, placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

type User = {
  id: string;
  email: string;
  name: string;
  state: string;
  roles: string[];
  secondFactor: boolean;
  lastSignInAt: string | null;
  version: number;
  owns: { agents: number; apiKeys: number; sessions: number; invitations: number };
};
type Page = { items: User[]; nextCursor: string | null };

describe('people of an organisation', () => {
  let acme: Member;
  let globex: Member;
  before(async () => {
    useSharedModels();
    [acme, globex] = await Promise.all([member(), member({ region: 'us' })]);
  });

  const sql = async (of: { tenant: { id: string } }, text: string, ...values: unknown[]) =>
    inTenant(await placed(of.tenant.id), (scope) => scope.sql(text, values));
  const person = (...roles: Parameters<typeof signedInPerson>[1][]) =>
    signedInPerson(acme.tenant.id, ...roles);
  const read = async (id: string, as: Caller = acme) => (await as.call<User>('GET', `/v1/users/${id}`)).body;
  const change = (id: string, what: string, as: Caller = acme) =>
    as.call<User & Problem>('POST', `/v1/users/${id}/${what}`);
  const remove = (id: string, query = '', as: Caller = acme) =>
    as.call<Problem & { would: Record<string, unknown> }>('DELETE', `/v1/users/${id}${query}`);
  const me = async (of: Caller) => (await of.call<{ id: string }>('GET', '/v1/me')).body.id;

  /** A key that belongs to a person, as they could have made it. */
  async function keyOf(owner: KeyHolder, role: string): Promise<Caller & { id: string }> {
    const [token, id] = [newToken('key', acme.tenant.id), newId('key')];
    const insert = 'INSERT INTO api_keys (id, name, token_hash, owner_id) VALUES ($1, $2, $3, $4)';
    await sql(acme, insert, id, 'Key', digest(token), owner.id);
    await sql(acme, 'INSERT INTO role_assignments (principal_id, role) VALUES ($1, $2)', id, role);
    return { ...callerOf(token), id };
  }
  const agentOf = async (owner: Caller, name: string) =>
    (await owner.call<{ id: string }>('POST', '/v1/agents', { name, model: 'demo' })).body.id;

  it('R4.1 are listed by name, address, role and state, page by page', async () => {
    const one = await person('auditor');
    const two = await person('auditor', 'billing');
    await acme.call('PATCH', `/v1/users/${one.id}`, { name: 'Zoë Ångström_100%' });
    const list = async (query: string) => (await acme.call<Page>('GET', `/v1/users?${query}`)).body;
    const ids = async (query: string) => (await list(query)).items.map(({ id }) => id);
    assert.deepEqual(await ids('role=auditor'), [two.id, one.id]);
    assert.deepEqual(await ids(`search=${encodeURIComponent('zoË ång')}`), [one.id]);
    assert.deepEqual(await ids(`search=${encodeURIComponent('_100%')}`), [one.id], 'no wildcards');
    assert.deepEqual(await ids(`search=${two.id}@EXAMPLE`), [two.id]);
    const first = await list('role=auditor&limit=1');
    assert.deepEqual(await ids(`role=auditor&limit=1&cursor=${first.nextCursor}`), [one.id]);
    await change(one.id, 'deactivation');
    assert.deepEqual(await ids('state=inactive'), [one.id]);
    const { body } = await inviteAs(acme, freshAddress());
    assert.deepEqual(await ids('state=invited'), [body.userId]);
    assert.ok(!JSON.stringify(await list('limit=200')).includes(globex.email));
  });

  it('R4.1 are read with their roles, last sign-in, and how much is theirs', async () => {
    const builder = await person('builder');
    await agentOf(builder, `agent of ${builder.id}`);
    const key = await keyOf(builder, 'builder');
    await agentOf(key, `agent of ${key.id}`);
    const shown = await read(builder.id);
    assert.deepEqual([shown.state, shown.roles, shown.secondFactor], ['active', ['builder'], false]);
    assert.deepEqual(shown.owns, { agents: 2, apiKeys: 1, sessions: 1, invitations: 0 });
    assert.ok(shown.lastSignInAt);
    assert.equal((await globex.call('GET', `/v1/users/${builder.id}`)).status, 404);
    const billing = await person('billing');
    assert.equal((await billing.call('GET', `/v1/users/${builder.id}`)).status, 404);
    assert.equal((await read(billing.id, billing)).id, billing.id, 'everybody sees themselves');
    const listed = await billing.call<Page>('GET', '/v1/users');
    assert.deepEqual(
      listed.body.items.map(({ id }) => id),
      [billing.id],
    );
  });

  it('R4.1 are renamed by administrators and themselves, and by nobody who read an older version', async () => {
    const viewer = await person('viewer');
    const other = await person('viewer');
    const rename = (as: Caller, id: string, name: string, headers = {}) =>
      as.call<User>('PATCH', `/v1/users/${id}`, { name }, headers);
    assert.equal((await rename(viewer, viewer.id, 'Own Name')).body.name, 'Own Name');
    assert.equal((await rename(viewer, other.id, 'Not Mine')).status, 403);
    const { version } = await read(viewer.id);
    const headers = { 'if-match': `"${version}"` };
    assert.equal((await rename(acme, viewer.id, 'First', headers)).status, 200);
    assert.equal((await rename(acme, viewer.id, 'Second', headers)).status, 412);
    assert.equal((await read(viewer.id)).name, 'First');
  });

  it('R4.1 lose sessions and keys at the very next request when they are deactivated, and may come back', async () => {
    const builder = await person('builder');
    const key = await keyOf(builder, 'builder');
    const invited = await inviteAs(await person('admin'), freshAddress());
    for (const as of [builder, key]) assert.equal((await as.call('GET', '/v1/me')).status, 200);
    const done = await change(builder.id, 'deactivation');
    assert.deepEqual([done.status, done.body.state], [200, 'inactive'], done.text);
    for (const as of [builder, key]) assert.equal((await as.call('GET', '/v1/me')).status, 401);
    assert.equal((await change(builder.id, 'deactivation')).status, 409);
    assert.match((await change(invited.body.userId, 'deactivation')).body.detail, /revoke their invitation/);
    assert.equal((await change(builder.id, 'reactivation')).body.state, 'active');
    assert.equal((await key.call('GET', '/v1/me')).status, 200);
    assert.equal((await builder.call('GET', '/v1/me')).status, 401, 'the session is over');
  });

  it('R4.1 take a seat again when they come back', async () => {
    const small = await member({ quotas: { seats: 2 } });
    const guest = await signedInPerson(small.tenant.id, 'viewer');
    assert.equal((await change(guest.id, 'deactivation', small)).status, 200);
    assert.equal((await inviteAs(small, freshAddress())).status, 201);
    const back = await change(guest.id, 'reactivation', small);
    assert.deepEqual([back.status, back.body.code], [409, 'conflict']);
    assert.match(back.body.detail, /2 seats/);
  });

  it('R4.2 have their open invitations revoked when their access ends', async () => {
    const admin = await person('admin');
    const email = freshAddress();
    const { body } = await inviteAs(admin, email);
    const token = await mailedToken(email);
    await change(admin.id, 'deactivation');
    const shown = await acme.call<{ state: string }>('GET', `/v1/invitations/${body.id}`);
    assert.equal(shown.body.state, 'revoked');
    const accepted = await callerOf().call('POST', `/v1/invitations/${token}/acceptance`, {
      name: 'Grace',
      password: 'a long enough password',
    });
    assert.equal(accepted.status, 404);
  });

  it('R4.1 cannot do it to themselves, nor to somebody who may more than they do', async () => {
    const owner = await me(acme);
    const admin = await person('admin');
    const key = await keyOf(admin, 'admin');
    for (const [act, method] of [
      ['/deactivation', 'POST'],
      ['', 'DELETE'],
    ] as const) {
      const self = await admin.call<Problem>(method, `/v1/users/${admin.id}${act}`);
      assert.deepEqual([self.status, self.body.code], [409, 'conflict'], 'oneself');
      assert.match(self.body.detail, /themselves/);
      const above = await admin.call<Problem>(method, `/v1/users/${owner}${act}`);
      assert.deepEqual([above.status, above.body.code], [403, 'forbidden'], 'an owner');
      assert.match(above.body.detail, /administer Organisation/);
      assert.equal((await key.call(method, `/v1/users/${owner}${act}`)).status, 403, 'by a key');
    }
    const viewer = await person('viewer');
    assert.equal((await change(viewer.id, 'deactivation', viewer)).status, 403);
  });

  it('R4.1 always have one active owner, even when two owners act on each other at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const own = await signedOwners();
      const replies = await Promise.all([
        change(own.two.id, 'deactivation', own.one),
        round % 2 === 0 ? change(own.one.id, 'deactivation', own.two) : remove(own.one.id, '', own.two),
      ]);
      const left = await sql(own, "SELECT id FROM users WHERE state = 'active'");
      assert.equal(left.length, 1, replies.map(({ text }) => text).join('\n'));
    }
  });

  /** A tenant whose two owners are the only people in it. */
  async function signedOwners() {
    const place = await member();
    const one = { ...place, id: await me(place) };
    const two = await signedInPerson(place.tenant.id, 'owner');
    return { tenant: place.tenant, one, two };
  }

  it('R4.1 who are the last owner cannot be taken away by a key either', async () => {
    const key = await keyOf({ ...(await person('viewer')), id: await me(acme) }, 'owner');
    const owners = (await acme.call<Page>('GET', '/v1/users?role=owner&state=active')).body.items;
    assert.equal(owners.length, 1);
    await sql(acme, 'UPDATE api_keys SET owner_id = NULL WHERE id = $1', key.id);
    const reply = await change(owners[0]?.id ?? '', 'deactivation', key);
    assert.deepEqual([reply.status, reply.body.code], [409, 'conflict']);
    assert.match(reply.body.detail, /without an active owner/);
    assert.equal((await acme.call('GET', '/v1/me')).status, 200, 'nothing was changed');
  });

  it('R4.1 are removed when somebody else takes on their work, and their keys’ work', async () => {
    const builder = await person('builder');
    const heir = await person('builder');
    const gone = await person('viewer');
    await change(gone.id, 'deactivation');
    const key = await keyOf(builder, 'builder');
    const agents = [await agentOf(builder, `one ${builder.id}`), await agentOf(key, `two ${builder.id}`)];
    const starts = { agentId: agents[0], environment: 'draft' };
    const calendar = { ...starts, name: 'nightly', cron: '0 3 * * *', zone: 'UTC' };
    const schedule = await builder.call<{ id: string }>('POST', '/v1/run-schedules', calendar);
    assert.equal(schedule.status, 201, schedule.text);
    const trigger = await key.call<{ id: string }>('POST', '/v1/triggers', { ...starts, name: 'order' });
    assert.equal(trigger.status, 201, trigger.text);
    const dry = await remove(builder.id, `?dryRun=true&handTo=${heir.id}`);
    assert.equal(dry.status, 200, dry.text);
    const none = { count: 0, sample: [] };
    assert.deepEqual(dry.body.would.handOn, {
      agents: {
        count: 2,
        sample: [
          { id: agents[0], name: `one ${builder.id}` },
          { id: agents[1], name: `two ${builder.id}` },
        ],
      },
      workflows: none,
      run_schedules: { count: 1, sample: [{ id: schedule.body.id, name: 'nightly' }] },
      triggers: { count: 1, sample: [{ id: trigger.body.id, name: 'order' }] },
    });
    assert.equal((await read(builder.id)).owns.agents, 2, 'a dry run changes nothing');
    assert.match((await remove(builder.id)).body.detail, /handTo=usr_/);
    const [invited, theirs] = [(await inviteAs(acme, freshAddress())).body.userId, await me(globex)];
    for (const wrong of [builder.id, gone.id, invited, theirs, newId('usr')])
      assert.equal((await remove(builder.id, `?handTo=${wrong}`)).status, 422, wrong);
    assert.equal((await remove(builder.id, `?handTo=${heir.id}`)).status, 204);
    assert.equal((await acme.call('GET', `/v1/users/${builder.id}`)).status, 404);
    for (const as of [builder, key]) assert.equal((await as.call('GET', '/v1/me')).status, 401);
    for (const id of agents) {
      const agent = await acme.call<{ ownerId: string; version: number }>('GET', `/v1/agents/${id}`);
      assert.deepEqual([agent.body.ownerId, agent.body.version], [heir.id, 2]);
    }
    for (const path of [`/v1/run-schedules/${schedule.body.id}`, `/v1/triggers/${trigger.body.id}`]) {
      const { body } = await acme.call<{ ownerId: string; state: string; pauseReason: string }>('GET', path);
      assert.deepEqual([body.ownerId, body.state], [heir.id, 'paused'], path);
      assert.match(body.pauseReason, /say anew what it starts/);
    }
    const left = await sql(acme, 'SELECT role FROM role_assignments WHERE principal_id = ANY ($1)', [
      builder.id,
      key.id,
    ]);
    assert.deepEqual(left, []);
  });

  it('R4.1 leave the keys they made for services, which a dry run names to whoever may see them', async () => {
    const admin = await person('admin');
    const [direct, over] = [
      await service(admin, 'viewer'),
      await service(await made(admin, { roles: ['admin'] }), 'viewer'),
    ];
    await acme.call('DELETE', `/v1/api-keys/${(await service(admin, 'viewer')).id}`);
    const sample = [direct, over].map(({ id, name }) => ({ id, name }));
    const stays = { count: 2, sample: sample.toSorted((one, other) => one.id.localeCompare(other.id)) };
    const dry = await acme.call<{ would: { serviceKeys: object } }>(
      'POST',
      `/v1/users/${admin.id}/deactivation?dryRun=true`,
    );
    assert.deepEqual(dry.body.would.serviceKeys, stays);
    assert.equal((await read(admin.id)).state, 'active', 'a dry run changes nothing');
    assert.deepEqual((await remove(admin.id, '?dryRun=true')).body.would.serviceKeys, stays);
    assert.equal((await change(admin.id, 'deactivation')).status, 200);
    assert.deepEqual([await reads(direct), await reads(over)], [200, 200]);
    assert.equal((await remove(admin.id)).status, 204);
    assert.deepEqual([await reads(direct), await reads(over)], [200, 200]);
    const { body } = await acme.call<{ items: { id: string }[] }>(
      'GET',
      `/v1/api-keys?createdBy=${admin.id}&state=active`,
    );
    assert.deepEqual(
      body.items.map(({ id }) => id),
      [direct.id],
    );
  });

  it('R4.1 who never joined are removed with their invitation, and can be invited anew', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    const token = await mailedToken(email);
    assert.equal((await remove(body.userId)).status, 204);
    const accepted = await callerOf().call('POST', `/v1/invitations/${token}/acceptance`, {
      name: 'Grace',
      password: 'a long enough password',
    });
    assert.equal(accepted.status, 404);
    assert.equal((await inviteAs(acme, email)).status, 201);
  });

  it('R4.1 are changed in the organisation’s own trail, with what was and what is', async () => {
    const viewer = await person('viewer');
    await acme.call('PATCH', `/v1/users/${viewer.id}`, { name: 'Another' });
    await change(viewer.id, 'deactivation');
    await change(viewer.id, 'reactivation');
    await remove(viewer.id);
    const rows = await sql(
      acme,
      `SELECT action FROM audit_events
       WHERE subject_id = $1 AND before_digest IS NOT NULL AND after_digest IS NOT NULL ORDER BY seq`,
      viewer.id,
    );
    assert.deepEqual(
      rows.map(({ action }) => action),
      ['update User', 'deactivate User', 'reactivate User', 'delete User'],
    );
  });
});
