import assert from 'node:assert/strict';
import { ConfigError, loadConfig } from '../../config.ts';
import { handed, ownSettings } from '../support/environment.ts';
import { type Running, startApi } from '../support/installation.ts';
import { rawRequest } from '../support/raw.ts';
import { type Member, member } from '../support/tenants.ts';

describe('a trusted proxy', () => {
  let api: Running;
  let acme: Member;
  let url: string;

  before(async () => {
    acme = await member();
    // The databases of the shared installation, behind a proxy on loopback.
    const { FREEHOLD_HTTP_PORT, FREEHOLD_METRICS_PORT } = await ownSettings(handed(), 'freehold');
    const { settings } = handed().shared;
    const own = { FREEHOLD_HTTP_PORT, FREEHOLD_METRICS_PORT } as Record<string, string>;
    api = await startApi({ ...settings, ...own, FREEHOLD_TRUSTED_PROXIES: '127.0.0.0/8' });
    url = `http://127.0.0.1:${FREEHOLD_HTTP_PORT}`;
  });
  after(() => api.stop('SIGKILL'));

  const through = async (forwarded: string | string[], host = 'internal.example') =>
    rawRequest(
      [
        'GET /v1/context HTTP/1.1',
        `Host: ${host}`,
        ...[forwarded].flat().map((each) => `X-Forwarded-Host: ${each}`),
        'Connection: close',
      ],
      url,
    );

  it('R3.1 is believed about the host, in every form a host may have', async () => {
    const { slug } = acme.tenant;
    for (const forwarded of [`${slug}.localhost`, `${slug.toUpperCase()}.localhost.:443`])
      assert.match(await through(forwarded), new RegExp(`"won":"host".*"value":"${slug}"`), forwarded);
    assert.match(
      await through('localhost', `${slug}.localhost`),
      /"won":null/,
      'its own Host is not asked then',
    );
  });

  it('R3.1 is refused when it says two hosts, or an odd one', async () => {
    const { slug } = acme.tenant;
    for (const forwarded of [
      [`${slug}.localhost`, `${slug}.localhost`],
      `${slug}.localhost, evil.example`,
      `a@${slug}.localhost`,
      '',
    ])
      assert.match(await through(forwarded), /^HTTP\/1\.1 400 /, String(forwarded));
  });

  it('R3.1 does not hide a second Host header', async () => {
    assert.match(await through(`${acme.tenant.slug}.localhost`, 'a\r\nHost: b'), /^HTTP\/1\.1 400 /);
  });

  it('R3.1 can only be a range of addresses, and never everybody', () => {
    const { settings } = handed().shared;
    for (const wrong of [
      'loopback',
      'true',
      '1',
      '10.0.0.1',
      '0.0.0.0/0',
      '::/0',
      '10.0.0.0/33',
      'proxy.example',
    ])
      assert.throws(
        () => loadConfig({ ...settings, FREEHOLD_TRUSTED_PROXIES: wrong }),
        (error) => error instanceof ConfigError && /TRUSTED_PROXIES: must be CIDRs/.test(error.message),
        wrong,
      );
    const { http } = loadConfig({ ...settings, FREEHOLD_TRUSTED_PROXIES: '10.0.0.0/8, fd00::/8' });
    assert.deepEqual(http.trustedProxies, ['10.0.0.0/8', 'fd00::/8']);
  });
});
