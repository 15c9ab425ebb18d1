import assert from 'node:assert/strict';
import { inTenant, readInTenant } from '../../models/scope.ts';
import { newToken, readToken } from '../../models/tokens.ts';
import { callerOf, operator, type Reply, send } from '../support/client.ts';
import { placed, useSharedModels } from '../support/people.ts';
import {
  follow,
  freshSlug,
  invitationToken,
  onboard,
  password,
  type Shown,
  sharedUrl,
} from '../support/tenants.ts';

type Problem = { code: string; detail: string };
type Mail = { to: string; subject: string; text: string; links: string[] };

before(useSharedModels);

const nobody = callerOf();
const given = { name: 'Ada Admin', password };
const addressOf = (tenant: Shown) => `admin@${tenant.slug}.example`;

const accept = (token: string, headers = {}, body: object = given): Promise<Reply<Problem>> =>
  nobody.call<Problem>('POST', `/v1/invitations/${token}/acceptance`, body, headers);

const signIn = (tenant: Shown, headers: Record<string, string>, secret = password) =>
  nobody.call<Problem & { token: string }>(
    'POST',
    '/v1/sessions',
    { email: addressOf(tenant), password: secret },
    headers,
  );

const sql = async (tenant: Shown, text: string, ...values: unknown[]) =>
  inTenant(await placed(tenant.id), (scope) => scope.sql(text, values));

describe('an invitation', () => {
  it('R1.3 is mailed once, to the administrator, with a link to the tenant’s own host', async () => {
    const tenant = await onboard({ name: 'Ärzte & Söhne' });
    const { body } = await operator().call<{ items: Mail[] }>('GET', '/v1/mailbox?limit=200');
    const mails = body.items.filter((each) => each.to.includes(addressOf(tenant)));
    assert.equal(mails.length, 1);
    assert.equal(mails[0]?.subject, 'Your invitation to Ärzte & Söhne');
    const [link] = mails[0]?.links ?? [];
    assert.ok(link);
    const { hostname, pathname, port } = new URL(link);
    assert.equal(hostname, `${tenant.slug}.localhost`);
    assert.equal(port, new URL(sharedUrl()).port);
    const page = await send(sharedUrl(), 'GET', pathname, undefined, { host: new URL(link).host });
    assert.equal(page.status, 200);
    assert.match(String(page.headers['content-type']), /^text\/html/);
    assert.match(String(page.headers['content-security-policy']), /script-src 'self';/);
    assert.match(page.text, /Choose your name and a password/);
  });

  it('R1.3 says who invites, on the page and only as long as it can be accepted', async () => {
    const tenant = await onboard({ name: 'Ärzte <b>&</b> Söhne' });
    const token = await invitationToken(addressOf(tenant));
    const ask = (headers = {}) =>
      nobody.call<Problem & { name: string; host: string; expiresAt: string }>(
        'GET',
        `/v1/invitations/${token}/organisation`,
        undefined,
        headers,
      );
    const { status, body } = await ask();
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ['expiresAt', 'host', 'name']);
    assert.equal(body.name, 'Ärzte <b>&</b> Söhne');
    assert.equal(body.host, `${tenant.slug}.localhost:${new URL(sharedUrl()).port}`);
    assert.ok(Date.parse(body.expiresAt) > Date.now());
    const other = await onboard();
    assert.equal((await ask({ host: `${other.slug}.localhost` })).body.code, 'tenant-mismatch');
    const { text } = await send(sharedUrl(), 'GET', '/invitations/page/accept.js');
    assert.match(text, /fetch\(`\$\{invitation\}\/organisation`\)/);
    assert.doesNotMatch(text, /innerHTML|insertAdjacentHTML|document\.write|eval/);
    await accept(token);
    assert.equal((await ask()).status, 404);
  });

  it('R1.3 is stored as a hash: neither token nor password stands in the tenant’s tables', async () => {
    const tenant = await onboard();
    const token = await invitationToken(addressOf(tenant));
    await accept(token);
    const place = await placed(tenant.id);
    const schema = `t_${tenant.id.slice(4)}`;
    for (const table of [
      'invitations',
      'identities',
      'users',
      'sessions',
      'audit_events',
      'idempotency_keys',
    ]) {
      const [rows] = await readInTenant(place, [
        { text: `SELECT t::text AS row FROM ${schema}.${table} t`, values: [] },
      ]);
      const text = JSON.stringify(rows);
      assert.ok(!text.includes(token.slice(-38)) && !text.includes(password), table);
    }
    const [identity] = await sql(tenant, 'SELECT secret FROM identities');
    assert.match(String(identity?.secret), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('R1.3 is good for one account, of whoever is first', async () => {
    const tenant = await onboard();
    const token = await invitationToken(addressOf(tenant));
    const replies = await Promise.all([accept(token), accept(token), accept(token)]);
    assert.deepEqual(replies.map((each) => each.status).sort(), [201, 404, 404]);
    assert.equal((await accept(token)).status, 404);
    assert.equal((await sql(tenant, 'SELECT id FROM identities')).length, 1);
    assert.equal((await signIn(tenant, { 'x-tenant': tenant.slug })).status, 201);
  });

  it('R4.5 that is used, expired, withdrawn, of another kind or made up is answered alike', async () => {
    const [used, expired, withdrawn] = await Promise.all([onboard(), onboard(), onboard()]);
    const tokens = await Promise.all(
      [used, expired, withdrawn].map((each) => invitationToken(addressOf(each))),
    );
    await accept(tokens[0] ?? '');
    await sql(expired, "UPDATE invitations SET expires_at = now() - interval '1 second'");
    await sql(withdrawn, "UPDATE invitations SET state = 'revoked'");
    const session = await signIn(used, { 'x-tenant': used.slug });
    const texts = new Set<string>();
    for (const token of [
      ...tokens,
      newToken('inv', used.id),
      newToken('inv', 'ten_01h455vb4pex5vsknk084sn02q'),
      session.body.token,
      'nonsense',
    ]) {
      const reply = await accept(token, { 'x-request-id': 'the-same-request' });
      assert.equal(reply.status, 404, reply.text);
      texts.add(reply.text);
    }
    assert.equal(texts.size, 1, [...texts].join('\n'));
  });

  it('R2.1 cannot be used at another tenant’s address, nor moved into another tenant', async () => {
    const [acme, globex] = await Promise.all([onboard(), onboard()]);
    const token = await invitationToken(addressOf(acme));
    for (const headers of [
      { 'x-tenant': globex.slug },
      { 'x-tenant': globex.id },
      { host: `${globex.slug}.localhost` },
    ])
      assert.equal((await accept(token, headers)).body.code, 'tenant-mismatch');
    const moved = token.replace(acme.id.slice(4), globex.id.slice(4));
    assert.equal((await accept(moved)).status, 404, 'the checksum covers the tenant');
    assert.equal(readToken(moved), undefined);
    assert.equal((await accept(token, { host: `${acme.slug}.localhost` })).status, 201);
  });

  it('R1.4 of a suspended tenant waits until the tenant is back', async () => {
    const tenant = await onboard();
    const token = await invitationToken(addressOf(tenant));
    const path = `/v1/tenants/${tenant.id}/suspension`;
    const suspended = await operator().call<Shown>('PUT', path, { reason: 'unpaid' });
    await follow(suspended.body.operation.id);
    assert.equal((await accept(token)).body.code, 'tenant-suspended');
    const back = await operator().call<Shown>('DELETE', path);
    await follow(back.body.operation.id);
    assert.equal((await accept(token)).status, 201);
  });

  it('R1.2 wants a password of some length', async () => {
    const tenant = await onboard();
    const token = await invitationToken(addressOf(tenant));
    assert.equal((await accept(token, {}, { name: 'Ada', password: 'short' })).status, 400);
    assert.equal((await accept(token)).status, 201);
  });
});

describe('signing in', () => {
  let acme: Shown;
  let globex: Shown;

  before(async () => {
    [acme, globex] = await Promise.all([onboard(), onboard()]);
    for (const each of [acme, globex]) await accept(await invitationToken(addressOf(each)));
  });

  it('R3.1 finds the tenant by host, header or parameter', async () => {
    const { port } = new URL(sharedUrl());
    for (const headers of [
      { host: `${acme.slug}.localhost:${port}` },
      { host: `${acme.slug.toUpperCase()}.localhost.` },
      { 'x-tenant': acme.slug },
      { 'x-tenant': acme.id },
    ])
      assert.equal((await signIn(acme, headers)).status, 201, JSON.stringify(headers));
    const body = { email: addressOf(acme), password };
    assert.equal((await nobody.call('POST', `/v1/sessions?tenant=${acme.slug}`, body)).status, 201);
    assert.equal((await nobody.call('POST', '/v1/sessions', body)).status, 400, 'no tenant was named');
  });

  it('R3.1 refuses every two that do not name the same tenant, and believes no forwarded host', async () => {
    const { body } = await signIn(acme, { 'x-tenant': acme.slug });
    const member = callerOf(body.token);
    const ways = (slug: string): Record<string, [string, Record<string, string>]> => ({
      host: ['', { host: `${slug}.localhost` }],
      header: ['', { 'x-tenant': slug }],
      parameter: [`?tenant=${slug}`, {}],
    });
    for (const [name, [query, headers]] of Object.entries(ways(globex.slug))) {
      const withToken = await member.call<Problem>('GET', `/v1/me${query}`, undefined, headers);
      assert.equal(withToken.body.code, 'tenant-mismatch', `token and ${name}`);
      for (const [other, [otherQuery, otherHeaders]] of Object.entries(ways(acme.slug))) {
        if (other === name) continue;
        const both = { ...headers, ...otherHeaders };
        const path = `/v1/sessions${query || otherQuery}`;
        const reply = await nobody.call<Problem>('POST', path, { email: addressOf(acme), password }, both);
        assert.equal(reply.body.code, 'tenant-mismatch', `${name} and ${other}`);
      }
    }
    for (const [query, headers] of Object.values(ways(acme.slug)))
      assert.equal((await member.call('GET', `/v1/me${query}`, undefined, headers)).status, 200);
    const forwarded = { 'x-forwarded-host': `${globex.slug}.localhost`, 'x-tenant': acme.slug };
    assert.equal((await signIn(acme, forwarded)).status, 201);
  });

  it('R4.5 needs membership of this very tenant: another’s account is an unknown one', async () => {
    const headers = { 'x-tenant': globex.slug, 'x-request-id': 'the-same-request' };
    const foreign = await signIn(acme, headers);
    const wrong = await signIn(globex, headers, 'wrong password');
    const unknown = await nobody.call('POST', '/v1/sessions', { email: 'no@one.example', password }, headers);
    assert.equal(foreign.status, 401);
    assert.equal(foreign.text, wrong.text);
    assert.equal(foreign.text, unknown.text);
  });

  it('R4.5 ends when the session is signed out of, expires, or its person is no longer active', async () => {
    const open = async () => callerOf((await signIn(acme, { 'x-tenant': acme.slug })).body.token);
    const [one, two, three] = [await open(), await open(), await open()];
    assert.equal((await one.call('DELETE', '/v1/sessions/current')).status, 204);
    assert.equal((await one.call('GET', '/v1/me')).status, 401);
    assert.equal((await two.call('GET', '/v1/me')).status, 200);
    await sql(acme, "UPDATE sessions SET expires_at = now() - interval '1 second'");
    assert.equal((await two.call('GET', '/v1/me')).status, 401);
    await sql(acme, "UPDATE sessions SET expires_at = now() + interval '1 hour'");
    assert.equal((await three.call('GET', '/v1/me')).status, 200);
    await sql(acme, "UPDATE users SET state = 'inactive'");
    assert.equal((await three.call('GET', '/v1/me')).status, 401);
    await sql(acme, "UPDATE users SET state = 'active'");
  });

  it('R4.5 by cookie works for reading, and for changes only from a page of the same host', async () => {
    const body = { email: addressOf(acme), password, delivery: 'cookie' };
    const signed = await nobody.call<{ token?: string }>('POST', '/v1/sessions', body, {
      'x-tenant': acme.slug,
    });
    assert.equal(signed.body.token, undefined);
    const [set = ''] = signed.headers['set-cookie'] ?? [];
    assert.match(set, /^__Host-freehold=fh_ses_\w+; Path=\/; Secure; HttpOnly; SameSite=Lax; Expires=/);
    const cookie = set.split(';')[0] ?? '';
    assert.equal((await nobody.call('GET', '/v1/me', undefined, { cookie })).status, 200);
    const agent = () => ({ name: freshSlug('agent'), model: 'demo' });
    const change = (headers: Record<string, string>) =>
      nobody.call('POST', '/v1/agents', agent(), { cookie, ...headers });
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ])
      assert.equal((await change(headers)).status, 403, JSON.stringify(headers));
    assert.equal((await change({ 'sec-fetch-site': 'same-origin' })).status, 201);
    const { host } = new URL(sharedUrl());
    assert.equal((await change({ origin: `http://${host}` })).status, 201);
  });
});
