import assert from 'node:assert/strict';
import { inTenant, readInSystem } from '../../models/scope.ts';
import { callerOf, operator } from '../support/client.ts';
import { mailsTo } from '../support/mails.ts';
import { placed, signedInPerson, useSharedModels } from '../support/people.ts';
import { codeOf, enrol, type Problem, resetToken, signIn } from '../support/sign-in.ts';
import { member } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';

const another = 'violet trombone escalator';

const askFor = (tenant: { slug: string }, email: string) =>
  callerOf().call('POST', '/v1/password-resets', { email }, { 'x-tenant': tenant.slug });

const take = (token: string, chosen: string) =>
  callerOf().call<Problem>('POST', `/v1/password-resets/${token}`, { password: chosen });

async function operationsOf(tenantId: string) {
  const [rows = []] = await readInSystem('platform', [
    {
      text: "SELECT * FROM operations WHERE tenant_id = $1 AND kind = 'reset-password' ORDER BY id",
      values: [tenantId],
    },
  ]);
  return rows;
}

async function trail(tenantId: string, action: string) {
  return inTenant(await placed(tenantId), ({ sql }) =>
    sql<{ outcome: string; details: Record<string, unknown>; actor: { kind: string; id: string } }>(
      'SELECT * FROM audit_events WHERE action = $1 ORDER BY seq',
      [action],
    ),
  );
}

describe('forgotten passwords', () => {
  before(() => useSharedModels());

  it('R4.1 are reset by a mailed token that is good once, and only for its own tenant', async () => {
    const [acme, globex] = await Promise.all([member(), member()]);
    assert.equal((await askFor(acme.tenant, acme.email)).status, 202);
    const token = await resetToken(acme.email);
    const stray = await callerOf().call(
      'POST',
      `/v1/password-resets/${token}`,
      { password: another },
      { 'x-tenant': globex.tenant.slug },
    );
    assert.equal(stray.status, 403);
    const weak = await take(token, 'Ada Admin 123');
    assert.equal(weak.status, 400);
    assert.equal(weak.body.errors?.[0]?.pointer, '/password');
    assert.equal((await take(token, another)).status, 204);
    assert.equal((await take(token, another)).status, 404);
    assert.equal((await acme.call('GET', '/v1/me')).status, 401);
    assert.equal((await signIn(acme.tenant, acme)).status, 401);
    assert.equal((await signIn(acme.tenant, { ...acme, password: another })).status, 201);
    const [asked] = await trail(acme.tenant.id, 'reset Password');
    assert.equal(asked?.actor.kind, 'anonymous');
    const [done] = await trail(acme.tenant.id, 'update Password');
    assert.equal(done?.details.sessionsEnded, 1);
  });

  it('R4.1 are reset by one of many who hold the same token at once', async () => {
    const acme = await member();
    await askFor(acme.tenant, acme.email);
    const token = await resetToken(acme.email);
    const replies = await Promise.all(Array.from({ length: 5 }, (_, at) => take(token, `${another} ${at}`)));
    assert.deepEqual(replies.map((each) => each.status).sort(), [204, 404, 404, 404, 404]);
  });

  it('R4.1 are reset by the newest mail alone, and by none that is over an hour old', async () => {
    const acme = await member();
    await askFor(acme.tenant, acme.email);
    const first = await resetToken(acme.email);
    await askFor(acme.tenant, acme.email);
    const second = await resetToken(acme.email, [first]);
    assert.equal((await take(first, another)).status, 404);
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql("UPDATE password_resets SET expires_at = expires_at - interval '61 minutes'"),
    );
    assert.equal((await take(second, another)).status, 404);
    assert.equal((await signIn(acme.tenant, acme)).status, 201);
  });

  it('R4.1 leave a second factor required when they are reset', async () => {
    const acme = await member();
    const { uri } = await enrol(acme);
    await askFor(acme.tenant, acme.email);
    assert.equal((await take(await resetToken(acme.email), another)).status, 204);
    const without = await signIn(acme.tenant, { ...acme, password: another });
    assert.equal(without.body.code, 'second-factor-required');
    assert.equal((await signIn(acme.tenant, { ...acme, password: another, code: codeOf(uri) })).status, 201);
  });

  it('R4.1 answer alike for an address that is known and one that is not, and mail the one alone', async () => {
    const acme = await member();
    const requestId = { 'x-request-id': 'the-same-request', 'x-tenant': acme.tenant.slug };
    const stranger = `nobody@${acme.tenant.slug}.example`;
    const ask = (email: string) => callerOf().call('POST', '/v1/password-resets', { email }, requestId);
    const [known, unknown] = [await ask(acme.email), await ask(stranger)];
    assert.equal(known.status, unknown.status);
    assert.equal(known.text, unknown.text);
    const { date: _a, ...one } = known.headers;
    const { date: _b, ...other } = unknown.headers;
    assert.deepEqual({ ...one, ratelimit: '' }, { ...other, ratelimit: '' });
    await resetToken(acme.email);
    assert.deepEqual(await mailsTo(stranger), []);
    assert.equal((await operationsOf(acme.tenant.id)).length, 1);
  });

  it('R4.1 send at most five mails an hour to one person, without saying so', async () => {
    const acme = await member();
    for (let asked = 0; asked < 8; asked++) assert.equal((await askFor(acme.tenant, acme.email)).status, 202);
    await eventually(async () => assert.equal((await operationsOf(acme.tenant.id)).length, 5));
  });

  it('R4.2 are reset for a person by an administrator, who never sees the token', async () => {
    const acme = await member();
    const person = await signedInPerson(acme.tenant.id, 'viewer');
    const reply = await acme.call<{ id: string }>('POST', `/v1/users/${person.id}/password-reset`);
    assert.equal(reply.status, 202, reply.text);
    assert.doesNotMatch(reply.text, /fh_rst_/);
    const token = await resetToken(`${person.id}@example.com`);
    assert.equal((await take(token, another)).status, 204);
    assert.equal((await person.call('GET', '/v1/me')).status, 401);
    assert.equal((await person.call('POST', `/v1/users/${person.id}/password-reset`)).status, 401);
    // Ids alone leave the tenant: not in the operation, not in the platform's trail.
    const [operation] = await operationsOf(acme.tenant.id);
    assert.doesNotMatch(JSON.stringify(operation), /@|fh_/);
    await eventually(async () => {
      const { body } = await operator().call<{ items: unknown[] }>(
        'GET',
        `/v1/platform/audit-events?tenantId=${acme.tenant.id}&limit=5`,
      );
      const told = JSON.stringify(body.items);
      assert.match(told, /"action":"reset-password"/);
      assert.doesNotMatch(told, /@|fh_rst/);
    });
  });

  it('R4.1 are chosen on a page of the tenant’s own host', async () => {
    const page = await callerOf().call('GET', '/password-resets/fh_rst_x');
    assert.equal(page.status, 200);
    assert.match(page.text, /A new password/);
    const script = await callerOf().call('GET', '/password-resets/page/choose.js');
    assert.match(script.text, /\/v1\/password-resets\//);
    const style = await callerOf().call('GET', /href="(\/[^"]+\.css)"/.exec(page.text)?.[1] ?? '');
    assert.match(String(style.headers['content-type']), /^text\/css/);
    assert.match(style.text, /font:/);
  });
});
