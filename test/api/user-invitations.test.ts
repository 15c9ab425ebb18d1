import assert from 'node:assert/strict';
import { callerOf } from '../support/client.ts';
import {
  accept,
  codesOf,
  freshAddress,
  type Invitation,
  inviteAs,
  mailedToken,
  type Problem,
  sqlIn,
} from '../support/invitations.ts';
import { signedInPerson, useSharedModels } from '../support/people.ts';
import { until } from '../support/runs.ts';
import { follow, type Member, member, password, type Shown } from '../support/tenants.ts';

const nobody = callerOf();

const signIn = (tenant: Shown, email: string, secret = password) =>
  nobody.call<Problem>('POST', '/v1/sessions', { email, password: secret }, { 'x-tenant': tenant.slug });

describe('inviting a person', () => {
  let acme: Member;
  let globex: Member;
  before(async () => {
    useSharedModels();
    [acme, globex] = await Promise.all([member(), member({ region: 'us' })]);
  });

  const read = (id: string) => acme.call<Invitation & Problem>('GET', `/v1/invitations/${id}`);
  const change = (id: string, what: string) =>
    acme.call<Invitation & Problem>('POST', `/v1/invitations/${id}/${what}`);
  /** As if it had been sent long ago. */
  const age = (id: string) =>
    sqlIn(acme.tenant, "UPDATE invitations SET issued_at = issued_at - interval '1 hour' WHERE id = $1", id);

  it('R4.2 mails a link by which they join with exactly the roles that were promised', async () => {
    const email = freshAddress();
    const invited = await inviteAs(acme, email, 'builder', 'auditor');
    assert.equal(invited.status, 201, invited.text);
    assert.equal(invited.body.state, 'pending');
    assert.equal(invited.headers.location, `/v1/invitations/${invited.body.id}`);
    const [before] = await sqlIn(
      acme.tenant,
      'SELECT count(*)::int FROM role_assignments WHERE principal_id = $1',
      invited.body.userId,
    );
    assert.equal(before?.count, 0, 'nothing is given before it is accepted');
    const token = await mailedToken(email);
    const joined = await accept(token, { host: `${acme.tenant.slug}.localhost` });
    assert.equal(joined.status, 201, joined.text);
    assert.equal(joined.body.userId, invited.body.userId);
    assert.equal((await signIn(acme.tenant, email)).status, 201);
    const person = await acme.call<{ roles: string[]; state: string }>(
      'GET',
      `/v1/users/${joined.body.userId}`,
    );
    assert.deepEqual([person.body.state, person.body.roles], ['active', ['auditor', 'builder']]);
    assert.equal((await read(invited.body.id)).body.state, 'accepted');
    await until(async () => (await follow(invited.body.operationId)).state === 'succeeded');
    assert.deepEqual((await follow(invited.body.operationId)).result, { outcome: 'accepted' });
  });

  it('R4.2 says what to do about somebody who is a member, deactivated, or invited already', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    const again = await inviteAs(acme, email.toUpperCase());
    assert.deepEqual([again.status, codesOf(again)], [409, ['/email already-invited']]);
    assert.match(again.body.detail, /resend it, or revoke it/);
    assert.equal((await accept(await mailedToken(email))).status, 201);
    assert.deepEqual(codesOf(await inviteAs(acme, email)), ['/email already-member']);
    assert.equal((await acme.call('POST', `/v1/users/${body.userId}/deactivation`)).status, 200);
    const deactivated = await inviteAs(acme, email);
    assert.deepEqual(codesOf(deactivated), ['/email deactivated']);
    assert.match(deactivated.body.detail, /reactivate/);
    const elsewhere = await inviteAs(globex, email);
    assert.equal(elsewhere.status, 201, 'an account in another organisation is none of this one’s business');
  });

  it('R4.3 gives nobody more than the inviter holds, and no role that is not there', async () => {
    const admin = await signedInPerson(acme.tenant.id, 'admin');
    const asOwner = await inviteAs(admin, freshAddress(), 'owner');
    assert.deepEqual([asOwner.status, codesOf(asOwner)], [403, ['/roles more-than-you-may']]);
    assert.match(asOwner.body.detail, /administer Organisation/);
    assert.equal((await inviteAs(admin, freshAddress(), 'admin')).status, 201);
    for (const role of ['platform-owner', 'no such role'])
      assert.deepEqual(codesOf(await inviteAs(acme, freshAddress(), 'viewer', role)), [
        '/roles/1 unknown-role',
      ]);
    await sqlIn(
      acme.tenant,
      "INSERT INTO duty_separations (id, name, roles) VALUES ('dut_x', 'Books', '{billing,auditor}')",
    );
    const both = await inviteAs(acme, freshAddress(), 'billing', 'auditor');
    assert.deepEqual([both.status, codesOf(both)], [409, ['/roles duties-apart']]);
  });

  it('R4.2 invites only people of the allowed domains, exactly these, and asks again when they accept', async () => {
    const allow = (...domains: string[]) =>
      sqlIn(
        globex.tenant,
        `INSERT INTO settings (key, value) VALUES ('invitations.allowedEmailDomains', $1::jsonb)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
        JSON.stringify(domains),
      );
    await allow('example.com', 'xn--bcher-kva.example');
    for (const host of ['sub.example.com', 'example.com.evil.example', 'notexample.com', 'example.co'])
      assert.deepEqual(codesOf(await inviteAs(globex, `ada@${host}`)), ['/email domain-not-allowed'], host);
    assert.equal((await inviteAs(globex, 'ada@BÜCHER.example')).status, 201);
    const email = freshAddress();
    assert.equal((await inviteAs(globex, email.replace('example', 'EXAMPLE'))).status, 201);
    const token = await mailedToken(email);
    await allow('elsewhere.example');
    const late = await accept(token);
    assert.deepEqual([late.status, late.body.code], [403, 'forbidden']);
    await allow('example.com');
    assert.equal((await accept(token)).status, 201);
    await allow();
  });

  it('R4.2 gives the last seat once, and counts open invitations but nothing that is over', async () => {
    const small = await member({ quotas: { seats: 3 } });
    const addresses = Array.from({ length: 6 }, freshAddress);
    const replies = await Promise.all(addresses.map((email) => inviteAs(small, email)));
    assert.deepEqual(
      replies.map(({ status }) => status).sort(),
      [201, 201, 409, 409, 409, 409],
      'the owner has one',
    );
    const full = await inviteAs(small, freshAddress());
    assert.match(full.body.detail, /holds 3 seats and 3 are taken/);
    const [first] = replies.filter(({ status }) => status === 201);
    assert.equal((await small.call('POST', `/v1/invitations/${first?.body.id}/revocation`)).status, 200);
    assert.equal((await inviteAs(small, freshAddress())).status, 201);
    assert.equal((await inviteAs(small, freshAddress())).status, 409);
    await sqlIn(
      small.tenant,
      "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE state = 'pending'",
    );
    assert.equal((await inviteAs(small, freshAddress())).status, 201, 'the expired take no seat');
  });

  it('R4.2 lists invitations by state, page by page, and calls expired what is over at once', async () => {
    const own = await member();
    const ids: string[] = [];
    for (const _ of [1, 2, 3]) ids.unshift((await inviteAs(own, freshAddress())).body.id);
    await sqlIn(
      own.tenant,
      "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1",
      ids[1],
    );
    const list = async (query: string) =>
      (await own.call<{ items: Invitation[]; nextCursor: string | null }>('GET', `/v1/invitations?${query}`))
        .body;
    assert.deepEqual(
      (await list('state=expired')).items.map(({ id }) => id),
      [ids[1]],
    );
    assert.deepEqual(
      (await list('state=pending')).items.map(({ id }) => id),
      [ids[0], ids[2]],
    );
    const first = await list('limit=2');
    assert.deepEqual(
      first.items.map(({ id }) => id),
      ids.slice(0, 2),
    );
    const rest = await list(`limit=2&cursor=${first.nextCursor}`);
    assert.deepEqual(rest.items.map(({ id, state }) => `${id} ${state}`).slice(0, 1), [`${ids[2]} pending`]);
    assert.equal((await globex.call('GET', `/v1/invitations/${ids[0]}`)).status, 404);
  });

  it('R4.2 sends again with another link, not within a minute, and the old one opens nothing', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    const old = await mailedToken(email);
    const tooSoon = await change(body.id, 'resend');
    assert.deepEqual([tooSoon.status, tooSoon.body.code], [429, 'rate-limited']);
    assert.ok(Number(tooSoon.headers['retry-after']) > 0);
    await age(body.id);
    const resent = await change(body.id, 'resend');
    assert.equal(resent.status, 200, resent.text);
    assert.notEqual(resent.body.operationId, body.operationId);
    const token = await mailedToken(email, 2);
    assert.notEqual(token, old);
    assert.equal((await accept(old)).status, 404);
    assert.deepEqual((await follow(body.operationId)).result, { outcome: 'resent' });
    assert.equal((await accept(token)).status, 201);
    assert.equal((await change(body.id, 'resend')).status, 409);
  });

  it('R4.2 sends an expired one again, for another seven days', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    await mailedToken(email);
    await age(body.id);
    await sqlIn(
      acme.tenant,
      "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1",
      body.id,
    );
    assert.equal((await change(body.id, 'revocation')).status, 409);
    const resent = await change(body.id, 'resend');
    assert.equal(resent.body.state, 'pending');
    assert.ok(Date.parse(resent.body.expiresAt) > Date.now() + 6.9 * 86_400_000);
    assert.equal((await accept(await mailedToken(email, 2))).status, 201);
  });

  it('R4.2 takes it back at once, and the person can be invited anew', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    const token = await mailedToken(email);
    const revoked = await change(body.id, 'revocation');
    assert.deepEqual([revoked.status, revoked.body.state], [200, 'revoked']);
    assert.equal((await accept(token)).status, 404);
    assert.deepEqual((await follow(body.operationId)).result, { outcome: 'revoked' });
    assert.equal((await change(body.id, 'revocation')).status, 409);
    const again = await inviteAs(acme, email);
    assert.deepEqual([again.status, again.body.userId], [201, body.userId]);
    assert.equal((await accept(await mailedToken(email, 2))).status, 201);
  });

  it('R4.2 adds roles to somebody who became a member meanwhile, for the password they have', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email, 'builder');
    const first = await mailedToken(email);
    await accept(first);
    // The only way to an open invitation of an active person: it was on its way when they joined otherwise.
    await sqlIn(
      acme.tenant,
      "UPDATE invitations SET state = 'pending', roles = '{auditor}' WHERE id = $1",
      body.id,
    );
    const [before] = await sqlIn(
      acme.tenant,
      'SELECT secret FROM identities WHERE user_id = $1',
      body.userId,
    );
    const wrong = await accept(first, {}, { name: 'Mallory', password: 'another long password' });
    assert.deepEqual([wrong.status, wrong.body.code], [401, 'unauthenticated']);
    assert.equal((await accept(first, {}, { name: 'Mallory', password })).status, 201);
    const [after] = await sqlIn(acme.tenant, 'SELECT secret FROM identities WHERE user_id = $1', body.userId);
    assert.deepEqual(after, before, 'the password is theirs');
    const person = await acme.call<{ name: string; roles: string[] }>('GET', `/v1/users/${body.userId}`);
    assert.deepEqual(person.body.roles, ['auditor', 'builder']);
    assert.equal(person.body.name, 'Grace Guest');
  });

  it('R4.2 tells every change in the organisation’s own trail, with what was and what is', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    await mailedToken(email);
    await until(async () => (await read(body.id)).body.sentAt !== null);
    await change(body.id, 'revocation');
    const rows = await sqlIn(
      acme.tenant,
      `SELECT action, before_digest IS NOT NULL AS before, after_digest IS NOT NULL AS after
       FROM audit_events WHERE subject_id = $1 ORDER BY seq`,
      body.id,
    );
    assert.deepEqual(rows, [
      { action: 'create Invitation', before: false, after: true },
      { action: 'send Invitation', before: true, after: true },
      { action: 'revoke Invitation', before: true, after: true },
    ]);
  });
});
