import assert from 'node:assert/strict';
import { callerOf, operator, send } from '../support/client.ts';
import { useSharedModels } from '../support/people.ts';
import { hostOf, rawRequest } from '../support/raw.ts';
import { freshSlug, onboard, password, type Shown, sharedUrl } from '../support/tenants.ts';

const nobody = callerOf();

describe('a former address', () => {
  let tenant: Shown;
  let former: string;
  before(async () => {
    useSharedModels();
    tenant = await onboard();
    former = tenant.slug;
    tenant = { ...tenant, slug: freshSlug('moved') };
    await operator().call('PATCH', `/v1/tenants/${tenant.id}`, { slug: tenant.slug });
  });
  const at = (slug: string, method: string, path: string, body?: unknown) =>
    send<{ code: string; servedAt: string }>(sharedUrl(), method, path, body, { host: hostOf(slug) });

  for (const path of ['/v1/context?tenant=x&a=%20b', '/invitations/some-token', '/docs', '/no/such/page'])
    for (const method of ['GET', 'HEAD'])
      it(`R3.1 sends ${method} ${path} on to the same path at the present one, and lets nobody remember it`, async () => {
        const reply = await at(former, method, path);
        assert.equal(reply.status, 308);
        assert.equal(reply.headers.location, `http://${hostOf(tenant.slug)}${path}`);
        assert.equal(reply.headers['cache-control'], 'private, no-store');
        assert.ok(reply.headers['x-request-id']);
      });

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    it(`R3.1 refuses ${method} and says where to send it, so that nothing is lost silently`, async () => {
      const reply = await at(former, method, '/v1/sessions', { email: 'a@b.example', password });
      assert.equal(reply.status, 421);
      assert.equal(reply.body.code, 'misdirected');
      assert.equal(reply.body.servedAt, `http://${hostOf(tenant.slug)}`);
    });

  it('R3.1 cannot be used to send anybody elsewhere', async () => {
    for (const path of [
      '//evil.example/x',
      '/\\evil.example',
      '/@evil.example',
      '//evil.example@x/%0d%0aSet-Cookie:a=b',
    ]) {
      const answer = await rawRequest([
        `GET ${path} HTTP/1.1`,
        `Host: ${hostOf(former)}`,
        'Connection: close',
      ]);
      assert.match(answer, /^HTTP\/1\.1 308 /);
      const location = /^Location: (.+)\r$/m.exec(answer)?.[1] ?? '';
      assert.equal(new URL(location).host, hostOf(tenant.slug), location);
      assert.doesNotMatch(answer, /^Set-Cookie/im);
    }
  });

  it('R3.1 goes on working in X-Tenant and ?tenant=', async () => {
    const body = { email: `admin@${former}.example`, password };
    assert.equal((await nobody.call('POST', `/v1/sessions?tenant=${former}`, body)).status, 401);
    assert.equal((await nobody.call('POST', '/v1/sessions', body, { 'x-tenant': former })).status, 401);
  });

  it('R1.4 does not keep those who watch from their answer', async () => {
    assert.equal((await at(former, 'GET', '/healthz')).status, 200);
  });

  it('R3.1 that is present is not sent anywhere', async () => {
    assert.equal((await at(tenant.slug, 'GET', '/docs')).status, 200);
  });
});
