import assert from 'node:assert/strict';
import { SMTPServer } from 'smtp-server';
import { useConfig } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import type { IntegrationKind, Targets } from '../../policies/integration.ts';
import { filledTenant } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { freePort } from '../support/equipment.ts';
import { checkedIn } from '../support/integration-check.ts';
import {
  type Certified,
  certificateFor,
  plainServer,
  type Served,
  tlsServer,
  trust,
} from '../support/tls-server.ts';

const days = (count: number) => new Date(Date.now() + count * 86_400_000);

describe('checking an integration', () => {
  let place: Place;
  let certified: Certified;

  before(async () => {
    useConfig(await ownConfig());
    place = await filledTenant(0);
    certified = await certificateFor(['127.0.0.1'], days(20));
    trust(certified);
  });

  const check = <K extends IntegrationKind>(kind: K, target: Targets[K], credential: string) =>
    checkedIn(place, kind, target, credential);

  describe('by OAuth 2.0 client credentials', () => {
    let server: Served;
    let asked: string[] = [];
    const client = Buffer.from('the-client:the secret').toString('base64');

    before(async () => {
      server = await tlsServer(certified, (request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const body = new URLSearchParams(Buffer.concat(chunks).toString());
          asked.push(`${request.url} ${body.get('scope') ?? ''}`.trim());
          if (request.url === '/token') {
            const basic = request.headers.authorization?.replace('Basic ', '');
            const good = body.get('client_secret') === 'the secret' || basic === client;
            response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' });
            const token = { access_token: 'tok', token_type: 'bearer', expires_in: 60 };
            response.end(JSON.stringify(good ? token : { error: 'invalid_client' }));
            return;
          }
          response.writeHead(request.headers.authorization === 'Bearer tok' ? 200 : 401).end();
        });
      });
    });
    after(() => server.stop());
    beforeEach(() => {
      asked = [];
    });

    const target = (tokenPath = '/token') => ({
      url: `https://127.0.0.1:${server.port}/api`,
      auth: 'oauth2' as const,
      tokenUrl: `https://127.0.0.1:${server.port}${tokenPath}`,
      clientId: 'the-client',
      scope: 'read write',
    });

    it('R6.4 gets a token with scope and uses it, and knows how long the certificate is good for', async () => {
      const { failed, certificateUntil } = await check('http', target(), 'the secret');
      assert.equal(failed, undefined);
      assert.deepEqual(asked, ['/token read write', '/api/']);
      assert.ok(certificateUntil && Math.abs(certificateUntil.getTime() - days(20).getTime()) < 120_000);
    });

    it('R6.4 tells a wrong client secret from a token endpoint that is none', async () => {
      assert.equal((await check('http', target(), 'wrong')).failed, 'auth');
      assert.equal((await check('http', target('/elsewhere'), 'the secret')).failed, 'answer');
    });
  });

  describe('of a mail server', () => {
    const servers: SMTPServer[] = [];
    after(() => {
      for (const server of servers) server.close();
    });

    async function mailServer(more: object): Promise<number> {
      const server = new SMTPServer({
        key: certified.key,
        cert: certified.cert,
        onAuth: ({ username, password }, _session, done) =>
          username === 'ada' && password === 'right' ? done(null, { user: 'ada' }) : done(new Error('no')),
        ...more,
      });
      server.on('error', () => {});
      servers.push(server);
      const port = await freePort();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
      return port;
    }

    const target = (port: number, tls: 'immediate' | 'starttls') => ({
      host: '127.0.0.1',
      port,
      tls,
      username: 'ada',
      from: 'ada@example.com',
    });

    it('R6.4 signs in over STARTTLS and over immediate TLS', async () => {
      const upgraded = await check('smtp', target(await mailServer({}), 'starttls'), 'right');
      assert.equal(upgraded.failed, undefined, JSON.stringify(upgraded.verdicts));
      const immediate = await check('smtp', target(await mailServer({ secure: true }), 'immediate'), 'right');
      assert.equal(immediate.failed, undefined, JSON.stringify(immediate.verdicts));
      assert.ok(immediate.certificateUntil);
    });

    it('R6.4 says nothing secret to a server without TLS, and tells a wrong password', async () => {
      const seen: string[] = [];
      const bare = await mailServer({
        hideSTARTTLS: true,
        allowInsecureAuth: true,
        onAuth: (
          auth: { password: string },
          _session: unknown,
          done: (error: null, answer: object) => void,
        ) => {
          seen.push(auth.password);
          done(null, { user: 'ada' });
        },
        disabledCommands: ['STARTTLS'],
      });
      assert.equal((await check('smtp', target(bare, 'starttls'), 'right')).failed, 'tls');
      assert.deepEqual(seen, []);
      const { key, cert } = await certificateFor(['127.0.0.1']);
      assert.equal(
        (await check('smtp', target(await mailServer({ key, cert }), 'starttls'), 'right')).failed,
        'tls',
      );
      assert.equal((await check('smtp', target(await mailServer({}), 'starttls'), 'wrong')).failed, 'auth');
    });
  });

  it('R6.4 tells of Slack’s own answers which address is good', async () => {
    const slack = await plainServer((request, response) => {
      response.writeHead(request.url === '/good' ? 400 : 404).end();
    });
    const at = (path: string) => `http://127.0.0.1:${slack.port}${path}`;
    assert.equal((await check('slack', {}, at('/good'))).failed, undefined);
    assert.equal((await check('slack', {}, at('/gone'))).failed, 'auth');
    slack.stop();
  });

  it('R6.4 does not believe a certificate that is past its end, or for another name', async () => {
    for (const wrong of [
      await certificateFor(['127.0.0.1'], days(-1)),
      await certificateFor(['other.test']),
    ]) {
      trust(wrong);
      const server = await tlsServer(wrong, (_request, response) => response.end());
      const target = { url: `https://127.0.0.1:${server.port}/`, auth: 'bearer' as const };
      assert.equal((await check('http', target, 'a token')).failed, 'tls');
      server.stop();
    }
  });
});
