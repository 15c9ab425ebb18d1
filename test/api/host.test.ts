import assert from 'node:assert/strict';
import { send } from '../support/client.ts';
import { hostOf, rawRequest } from '../support/raw.ts';
import { type Member, member, sharedUrl } from '../support/tenants.ts';

type Context = { won: string | null; agreed: boolean; tenant: { slug: string } | null; signals: object[] };

/** What the host is, over raw sockets: what no client would send is what an attacker does. */
describe('the host of a request', () => {
  let acme: Member;
  before(async () => {
    acme = await member();
  });

  /** The status, and the tenant that was found, of GET /v1/context with exactly these lines. */
  async function context(
    lines: string[],
    target = '/v1/context',
    version = '1.1',
  ): Promise<[number, string | null]> {
    const answer = await rawRequest([`GET ${target} HTTP/${version}`, ...lines, 'Connection: close']);
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    const read = status === '200' ? (JSON.parse(body) as Context) : undefined;
    return [Number(status), read?.tenant?.slug ?? null];
  }

  it('R3.1 is the same tenant in capitals, with a port or without, and with a final dot', async () => {
    const { slug } = acme.tenant;
    for (const host of [
      `${slug}.localhost`,
      `${slug.toUpperCase()}.LocalHost`,
      `${slug}.localhost.`,
      `${slug}.localhost:1`,
      `${slug}.localhost.:65535`,
      hostOf(slug),
    ])
      assert.deepEqual(await context([`Host: ${host}`]), [200, slug], host);
  });

  it('R3.1 is no tenant when it is none of ours, whatever it looks like', async () => {
    const { slug } = acme.tenant;
    for (const host of [
      '127.0.0.1',
      '[::1]',
      '[::1]:7400',
      'localhost',
      `${slug}.localhost.evil.example`,
      `${slug}localhost`,
      `localhost.${slug}`,
    ])
      assert.deepEqual(await context([`Host: ${host}`]), [200, null], host);
    assert.deepEqual(await context([], '/v1/context', '1.0'), [200, null], 'HTTP/1.0 has no Host');
  });

  it('R3.1 leads nowhere when it can be no address: underscores, punycode, more labels, an id', async () => {
    const { slug, id } = acme.tenant;
    for (const host of [
      'not_a_slug.localhost',
      'xn--rzte-5qa.localhost',
      `www.${slug}.localhost`,
      `${id}.localhost`,
      '-.localhost',
    ]) {
      const { body } = await send<Context>(sharedUrl(), 'GET', '/v1/context', undefined, { host });
      assert.deepEqual([body.agreed, body.tenant], [false, null], host);
      const refused = await acme.call('GET', '/v1/me', undefined, { host });
      assert.equal(refused.status, 404, host);
    }
  });

  it('R3.1 is refused when two readers could read it in two ways', async () => {
    const { slug } = acme.tenant;
    for (const host of [
      '',
      ' ',
      `${slug}.localhost, globex.localhost`,
      `admin@${slug}.localhost`,
      `${slug}.localhost:80:90`,
      `${slug}.localhost:`,
      `${slug}.localhost:123456`,
      `${slug}..localhost`,
      `.${slug}.localhost`,
      `${slug}.localhost..`,
      `${slug}%2elocalhost`,
      `${slug}.localhost/x`,
      `${slug}.localhost\\x`,
      `${slug}.localhost?x`,
      `${slug}.localhost#x`,
      `[::1%25lo]`,
      '[::1',
      `ärzte.localhost`,
      `${slug}.localhost\tx`,
      `http://${slug}.localhost`,
    ])
      assert.deepEqual(await context([`Host: ${host}`]), [400, null], JSON.stringify(host));
  });

  it('R3.1 is refused when it is said twice, even alike, or not at all, or in place of the path', async () => {
    const { slug } = acme.tenant;
    const host = `Host: ${slug}.localhost`;
    assert.deepEqual(await context([host, host]), [400, null]);
    assert.deepEqual(await context([host, 'hOST: globex.localhost']), [400, null]);
    assert.deepEqual(await context([]), [400, null]);
    for (const target of [
      `http://${slug}.localhost/v1/context`,
      `http://globex.localhost/v1/context`,
      '*',
      'v1/context',
    ])
      assert.equal((await context([host], target))[0], 400, target);
  });

  it('R3.1 is refused on pages as well', async () => {
    for (const path of ['/docs', '/invitations/some-token', '/healthz', '/no/such/page'])
      assert.equal((await context(['Host: a@b.localhost'], path))[0], 400, path);
  });

  it('R3.1 is not what X-Forwarded-Host, Forwarded or their like say: nobody is trusted here', async () => {
    const { slug } = acme.tenant;
    for (const name of [
      'X-Forwarded-Host',
      'X-Forwarded-Server',
      'X-Host',
      'X-Original-Host',
      'X-HTTP-Host-Override',
    ])
      assert.deepEqual(await context(['Host: localhost', `${name}: ${slug}.localhost`]), [200, null], name);
    assert.deepEqual(await context(['Host: localhost', `Forwarded: host=${slug}.localhost`]), [200, null]);
    const odd = ['Host: localhost', 'X-Forwarded-Host: a@b, c'];
    assert.deepEqual(await context(odd), [200, null], 'not even refused for');
  });

  it('R3.1 is joined by X-Tenant and ?tenant= only when each stands there once', async () => {
    const { slug } = acme.tenant;
    const host = 'Host: localhost';
    assert.deepEqual(await context([host, `X-Tenant: ${slug}`]), [200, slug]);
    assert.deepEqual(await context([host, `X-Tenant: ${slug}`, `x-tenant: ${slug}`]), [400, null]);
    assert.deepEqual(await context([host], `/v1/context?tenant=${slug}`), [200, slug]);
    assert.deepEqual(await context([host], `/v1/context?tenant=${slug}&tenant=${slug}`), [400, null]);
    assert.equal((await context([host], `/v1/context?tenant[]=${slug}`))[0], 400);
  });
});
