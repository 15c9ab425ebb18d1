import assert from 'node:assert/strict';
import { operator } from '../support/client.ts';
import {
  accept,
  codesOf,
  freshAddress,
  given,
  inviteAs,
  mailed,
  mailedToken,
  sqlIn,
} from '../support/invitations.ts';
import { signedInPerson, useSharedModels } from '../support/people.ts';
import { give, take } from '../support/roles.ts';
import { follow, type Member, member, password, type Shown } from '../support/tenants.ts';

/** Rows 29 and 30 of the list of attacks: what a link is worth in other hands, and what a mail can be made to say. */
describe('an invitation in the wrong hands', () => {
  let acme: Member;
  let globex: Member;
  before(async () => {
    useSharedModels();
    [acme, globex] = await Promise.all([member(), member({ region: 'us' })]);
  });

  it('R4.5 gives one account to twenty who use one link at the same moment', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    const token = await mailedToken(email);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        accept(token, {}, { name: `Racer ${at}`, password: `${password} ${at}` }),
      ),
    );
    const statuses = Map.groupBy(replies, ({ status }) => status);
    assert.deepEqual([statuses.get(201)?.length, statuses.get(404)?.length], [1, 19]);
    const rows = await sqlIn(acme.tenant, 'SELECT id FROM identities WHERE user_id = $1', body.userId);
    assert.equal(rows.length, 1);
    assert.equal((await accept(token)).status, 404, 'and never again');
  });

  it('R4.5 opens only its own organisation, and waits while that is suspended', async () => {
    const own = await member();
    const email = freshAddress();
    await inviteAs(own, email);
    const token = await mailedToken(email);
    for (const headers of [
      { host: `${globex.tenant.slug}.localhost` },
      { 'x-tenant': globex.tenant.slug },
      { 'x-tenant': globex.tenant.id },
    ])
      assert.equal((await accept(token, headers)).body.code, 'tenant-mismatch');
    const moved = token.replace(own.tenant.id.slice(4), globex.tenant.id.slice(4));
    assert.equal((await accept(moved)).status, 404);
    const path = `/v1/tenants/${own.tenant.id}/suspension`;
    const steer = async (method: string, body?: object) =>
      follow((await operator().call<Shown>(method, path, body)).body.operation.id);
    await steer('PUT', { reason: 'unpaid' });
    assert.equal((await accept(token)).body.code, 'tenant-suspended');
    await steer('DELETE');
    assert.equal((await accept(token)).status, 201);
  });

  it('R4.5 opens nothing when the address was changed since, expired, or its inviter may no longer give it', async () => {
    const admin = await signedInPerson(acme.tenant.id, 'admin');
    const [one, two] = [freshAddress(), freshAddress()];
    const { body: expired } = await inviteAs(admin, one);
    await inviteAs(admin, two, 'builder');
    const [tokenOne, tokenTwo] = [await mailedToken(one), await mailedToken(two)];
    await sqlIn(acme.tenant, 'UPDATE invitations SET expires_at = now() WHERE id = $1', expired.id);
    assert.equal((await accept(tokenOne)).status, 404);
    // The body names no address: whose it is stands in the tenant alone.
    assert.equal((await accept(tokenTwo, {}, { ...given, email: 'mallory@example.com' })).status, 400);
    await sqlIn(acme.tenant, "UPDATE role_assignments SET role = 'viewer' WHERE principal_id = $1", admin.id);
    const late = await accept(tokenTwo);
    assert.deepEqual([late.status, late.body.code], [403, 'forbidden']);
  });

  it('R4.5 is worth nothing once its inviter may no longer invite, even what they could still give', async () => {
    const inviter = await signedInPerson(acme.tenant.id, 'admin', 'viewer');
    const email = freshAddress();
    await inviteAs(inviter, email, 'viewer');
    const token = await mailedToken(email);
    assert.equal((await take(acme, inviter.id, 'admin')).status, 200);
    assert.equal((await accept(token)).status, 403);
  });

  it('R4.3 brings the roles it offers and none from before: nobody gives roles to who has not accepted', async () => {
    const inviter = await signedInPerson(acme.tenant.id, 'owner');
    const email = freshAddress();
    const { body } = await inviteAs(inviter, email, 'viewer');
    const early = await give(inviter, body.userId, 'owner');
    assert.equal(early.status, 409, early.text);
    // As if it had been given by an older version.
    await sqlIn(
      acme.tenant,
      "INSERT INTO role_assignments (principal_id, role) VALUES ($1, 'owner')",
      body.userId,
    );
    assert.equal((await accept(await mailedToken(email))).status, 201);
    const { body: user } = await acme.call<{ roles: string[] }>('GET', `/v1/users/${body.userId}`);
    assert.deepEqual(user.roles, ['viewer']);
  });

  it('R4.5 takes no address in which a second one could hide, and no name that breaks a line', async () => {
    const bad = [
      '"ada@evil.example"@example.com',
      'ada@evil.example,bob@example.com',
      'ada <ada@evil.example>',
      'ada\r\nBcc: mallory@evil.example@example.com',
      'ada@example.com\nBcc:mallory@evil.example',
      'ada(comment)@example.com',
      'ada@@example.com',
      'ada@[127.0.0.1]',
      'ada;mallory@example.com',
      'ädä@example.com',
      'ada..b@example.com',
      '.ada@example.com',
      'ada@example',
    ];
    for (const email of bad)
      assert.deepEqual(codesOf(await inviteAs(acme, email)), ['/email not-acceptable'], email);
    for (const name of ['Ada\r\nBcc: mallory@evil.example', 'Ada\u2028Bcc: x', 'Ada\u0000', '\u202eadA']) {
      const reply = await acme.call('POST', '/v1/invitations', {
        email: freshAddress(),
        name,
        roles: ['viewer'],
      });
      assert.equal(reply.status, 400, JSON.stringify(name));
    }
  });

  it('R4.5 mails a name that looks like headers or addresses to nobody else', async () => {
    const own = await member({ name: 'Acme", <mallory@evil.example>, "x' });
    const email = freshAddress();
    const name = 'Grace" <mallory@evil.example>, "x';
    const sent = await own.call('POST', '/v1/invitations', { email, name, roles: ['viewer'] });
    assert.equal(sent.status, 201);
    const [mail] = await mailed(email);
    assert.deepEqual(mail?.to, [email]);
    assert.equal(mail?.subject, 'Your invitation to Acme", <mallory@evil.example>, "x');
    const headers = mail?.raw.split(/\r?\n\r?\n/)[0] ?? '';
    assert.equal(headers.match(/^(to|cc|bcc|subject):/gim)?.length, 2);
  });

  it('R4.5 loses against a removal at the same moment, or comes first, and never half of both', async () => {
    for (let round = 0; round < 8; round++) {
      const email = freshAddress();
      const { body } = await inviteAs(acme, email);
      const token = await mailedToken(email);
      const [accepted, removed] = await Promise.all([
        accept(token),
        acme.call('DELETE', `/v1/users/${body.userId}`),
      ]);
      assert.ok([201, 404].includes(accepted.status), accepted.text);
      assert.equal(removed.status, 204, removed.text);
      const left = await sqlIn(
        acme.tenant,
        'SELECT principal_id FROM role_assignments WHERE principal_id = $1',
        body.userId,
      );
      assert.deepEqual(left, []);
    }
  });
});
