import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import { callerOf, operator, type Reply } from '../support/client.ts';
import {
  freshAddress,
  given,
  type Invitation,
  inviteAs,
  mailed,
  mailedToken,
  type Problem,
} from '../support/invitations.ts';
import { placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { until } from '../support/runs.ts';
import { follow, type Member, member, password, type Shown } from '../support/tenants.ts';

const nobody = callerOf();

const accept = (token: string, headers: Record<string, string> = {}, body: object = given) =>
  nobody.call<Problem & { userId: string }>('POST', `/v1/invitations/${token}/acceptance`, body, headers);

const sql = async (tenant: Pick<Shown, 'id'>, text: string, ...values: unknown[]) =>
  inTenant(await placed(tenant.id), (scope) => scope.sql(text, values));

const signIn = (tenant: Shown, email: string, secret = password) =>
  nobody.call<Problem>('POST', '/v1/sessions', { email, password: secret }, { 'x-tenant': tenant.slug });

const codesOf = ({ body }: Reply<Problem>) => body.errors?.map((fault) => `${fault.pointer} ${fault.code}`);

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
    sql(acme.tenant, "UPDATE invitations SET issued_at = issued_at - interval '1 hour' WHERE id = $1", id);

  it('R4.2 mails a link by which they join with exactly the roles that were promised', async () => {
    const email = freshAddress();
    const invited = await inviteAs(acme, email, 'builder', 'auditor');
    assert.equal(invited.status, 201, invited.text);
    assert.equal(invited.body.state, 'pending');
    assert.equal(invited.headers.location, `/v1/invitations/${invited.body.id}`);
    const [before] = await sql(
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
    await sql(
      acme.tenant,
      "INSERT INTO duty_separations (id, name, roles) VALUES ('dut_x', 'Books', '{billing,auditor}')",
    );
    const both = await inviteAs(acme, freshAddress(), 'billing', 'auditor');
    assert.deepEqual([both.status, codesOf(both)], [409, ['/roles duties-apart']]);
  });

  it('R4.2 invites only people of the allowed domains, exactly these, and asks again when they accept', async () => {
    const allow = (...domains: string[]) =>
      sql(
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
    await sql(
      small.tenant,
      "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE state = 'pending'",
    );
    assert.equal((await inviteAs(small, freshAddress())).status, 201, 'the expired take no seat');
  });

  it('R4.2 lists invitations by state, page by page, and calls expired what is over at once', async () => {
    const own = await member();
    const ids: string[] = [];
    for (const _ of [1, 2, 3]) ids.unshift((await inviteAs(own, freshAddress())).body.id);
    await sql(own.tenant, "UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1", ids[1]);
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
    await sql(
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
    await sql(
      acme.tenant,
      "UPDATE invitations SET state = 'pending', roles = '{auditor}' WHERE id = $1",
      body.id,
    );
    const [before] = await sql(acme.tenant, 'SELECT secret FROM identities WHERE user_id = $1', body.userId);
    const wrong = await accept(first, {}, { name: 'Mallory', password: 'another long password' });
    assert.deepEqual([wrong.status, wrong.body.code], [401, 'unauthenticated']);
    assert.equal((await accept(first, {}, { name: 'Mallory', password })).status, 201);
    const [after] = await sql(acme.tenant, 'SELECT secret FROM identities WHERE user_id = $1', body.userId);
    assert.deepEqual(after, before, 'the password is theirs');
    const person = await acme.call<{ name: string; roles: string[] }>('GET', `/v1/users/${body.userId}`);
    assert.deepEqual(person.body.roles, ['auditor', 'builder']);
    assert.equal(person.body.name, 'Grace Guest');
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
    const rows = await sql(acme.tenant, 'SELECT id FROM identities WHERE user_id = $1', body.userId);
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
    await sql(acme.tenant, 'UPDATE invitations SET expires_at = now() WHERE id = $1', expired.id);
    assert.equal((await accept(tokenOne)).status, 404);
    // The body names no address: whose it is stands in the tenant alone.
    assert.equal((await accept(tokenTwo, {}, { ...given, email: 'mallory@example.com' })).status, 400);
    await sql(acme.tenant, "UPDATE role_assignments SET role = 'viewer' WHERE principal_id = $1", admin.id);
    const late = await accept(tokenTwo);
    assert.deepEqual([late.status, late.body.code], [403, 'forbidden']);
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

  it('R4.2 tells every change in the organisation’s own trail, with what was and what is', async () => {
    const email = freshAddress();
    const { body } = await inviteAs(acme, email);
    await mailedToken(email);
    await until(async () => (await read(body.id)).body.sentAt !== null);
    await change(body.id, 'revocation');
    const rows = await sql(
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

describe('inviting many', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member({ quotas: { seats: 6 } });
  });

  type Judged = Problem & {
    would: { invite: number; seats: { wanted: number; taken: number; limit: number } };
    faults: { row: number | null; pointer: string; code: string; detail: string }[];
    items: Invitation[];
  };
  const bulk = (body: unknown, query = '', headers: Record<string, string> = {}) =>
    acme.call<Judged>('POST', `/v1/invitations/bulk${query}`, body, headers);
  const csv = (text: string, query = '') => bulk(text, query, { 'content-type': 'text/csv' });
  const row = (more: object = {}) => ({ email: freshAddress(), roles: ['viewer'], ...more });
  const count = async () =>
    (await acme.call<{ items: unknown[] }>('GET', '/v1/invitations?limit=200')).body.items.length;

  it('R4.2 lists every row’s fault in a dry run, and the seats it would take, and changes nothing', async () => {
    const before = await count();
    const twice = freshAddress();
    const reply = await bulk(
      {
        invitations: [
          row(),
          { email: 'nobody', roles: [] },
          { email: twice, roles: ['viewer'] },
          { email: twice.toUpperCase(), roles: ['viewer'] },
          row({ roles: ['viewer', 'no such'] }),
          { email: acme.email, roles: ['viewer'] },
          'not a row',
        ],
      },
      '?dryRun=true',
    );
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(
      reply.body.faults.map(({ row, pointer, code }) => `${row} ${pointer} ${code}`),
      [
        '2 /invitations/1/email not-acceptable',
        '2 /invitations/1/roles too-small',
        '4 /invitations/3/email said-twice',
        '5 /invitations/4/roles/1 unknown-role',
        '6 /invitations/5/email already-member',
        '7 /invitations/6 invalid-type',
      ],
    );
    assert.deepEqual(reply.body.would, { invite: 2, seats: { wanted: 2, taken: 1, limit: 6 } });
    assert.equal(await count(), before);
  });

  it('R4.2 invites all of them or none', async () => {
    const before = await count();
    const wrong = await bulk({ invitations: [row(), row({ roles: ['no such'] })] });
    assert.deepEqual([wrong.status, codesOf(wrong)], [422, ['/invitations/1/roles/0 unknown-role']]);
    const misshapen = await bulk({ invitations: [row(), row({ roles: [] })] });
    assert.deepEqual([misshapen.status, codesOf(misshapen)], [400, ['/invitations/1/roles too-small']]);
    const many = await bulk({ invitations: Array.from({ length: 6 }, () => row()) });
    assert.deepEqual([many.status, codesOf(many)], [422, ['/invitations no-seats']]);
    assert.equal(await count(), before);
    const rows = [row(), row({ name: 'Grace Guest' })];
    const done = await bulk({ invitations: rows });
    assert.equal(done.status, 201, done.text);
    assert.deepEqual(
      done.body.items.map(({ email }) => email),
      rows.map(({ email }) => email),
    );
    for (const { email } of rows) assert.equal((await accept(await mailedToken(email))).status, 201);
  });

  it('R4.2 takes CSV as spreadsheets write it', async () => {
    const [one, two] = [freshAddress(), freshAddress()];
    const text = `\ufeffEmail,Name,Roles\r\n${one},"Guest, Grace",viewer;billing\r\n\r\n ${two} ,,builder viewer\r\n`;
    const judged = await csv(text, '?dryRun=true');
    assert.deepEqual([judged.body.faults, judged.body.would.invite], [[], 2], judged.text);
    const done = await csv(text);
    assert.equal(done.status, 201, done.text);
    assert.deepEqual(
      done.body.items.map(({ email, name, roles }) => [email, name, roles]),
      [
        [one, 'Guest, Grace', ['viewer', 'billing']],
        [two, two.split('@')[0], ['builder', 'viewer']],
      ],
    );
  });

  it('R4.2 says in which line of a CSV it stopped understanding', async () => {
    const header = await csv('address,roles\na@example.com,viewer');
    assert.deepEqual([header.status, codesOf(header)], [400, [' wrong-header']]);
    const cells = await csv('email,name,roles\na@example.com,Ada\n');
    assert.deepEqual([cells.status, codesOf(cells)], [400, [' not-csv']]);
    assert.match(cells.body.errors?.[0]?.detail ?? '', /^Line 2: /);
    for (const broken of [
      'email,roles\n"a@example.com,viewer',
      '',
      'email,roles\n',
      'email,roles\na\u0000,viewer',
    ])
      assert.equal((await csv(broken)).status, 400, JSON.stringify(broken));
    const rows = await csv('email,roles\nnobody,\n', '?dryRun=true');
    assert.deepEqual(
      rows.body.faults.map(({ row, pointer }) => `${row} ${pointer}`),
      ['1 /invitations/0/email', '1 /invitations/0/roles'],
    );
    assert.equal((await bulk('email,roles', '', { 'content-type': 'text/plain' })).status, 415);
  });
});
