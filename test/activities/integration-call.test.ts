import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { callIntegration, type IntegrationCall } from '../../activities/integration-call.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { createIntegration, type Found } from '../../models/tenant/integration.ts';
import { verdictsOf } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { until } from '../support/runs.ts';
import { freshSlug, type Member, twoTenants } from '../support/tenants.ts';
import { plainServer, type Served } from '../support/tls-server.ts';
import { eventually } from '../support/traces.ts';

const secret = 'the-token-of-acme-4711';
const works: Found = { verdicts: verdictsOf(), certificateUntil: null };

describe('calling an integration as a tool', () => {
  let acme: Member;
  let globex: Member;
  let server: Served;
  const received: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; body: string }[] =
    [];
  let tokens = 0;

  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      received.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      if (url.startsWith('/token')) {
        tokens++;
        const token = { access_token: `tok-${tokens}`, token_type: 'bearer', expires_in: 3600 };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token));
      } else if (url.includes('broken')) response.writeHead(500).end('no');
      else if (url.includes('huge')) response.end(Buffer.alloc(2_000_000));
      else if (url.includes('text')) response.writeHead(404, { 'set-cookie': 'a=b' }).end('plain words');
      else if (url.includes('renewed') && headers.authorization === 'Bearer tok-1')
        response.writeHead(401).end();
      else response.writeHead(200, { 'content-type': 'application/json' }).end('{"answer":42}');
    });
  };

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    server = await plainServer(listener);
  });
  after(() => server.stop());
  beforeEach(() => void received.splice(0));

  async function connected(target: object = {}, found: Found | null = works): Promise<string> {
    const place = await placed(acme.tenant.id);
    const keyring = await keyringOf(place);
    const url = `http://127.0.0.1:${server.port}/v2`;
    const given = {
      kind: 'http',
      name: freshSlug('api'),
      target: { url, auth: 'bearer', ...target },
    } as const;
    return inTenant(place, ({ sql }) =>
      createIntegration(sql, keyring, { ...given, credential: secret, expiresAt: null }, found ?? undefined),
    );
  }
  const usedBy = {
    principal: { kind: 'user', id: 'usr_ada', tenantId: 'ten_x' },
    agentId: 'agt_one',
    runId: 'run_one',
  } as const;
  const call = async (integrationId: string, more: Partial<IntegrationCall> = {}, as = acme) =>
    callIntegration(await placed(as.tenant.id), {
      integrationId,
      method: 'GET',
      path: '/orders',
      idempotencyKey: 'key-1',
      usedBy,
      ...more,
    });

  it('R6.4 puts the credential in, carries the key of repetition, and gives back JSON or text', async () => {
    const id = await connected();
    const answer = await call(id, {
      method: 'POST',
      body: { item: 1 },
      query: { dry: 'a b' },
      headers: { 'X-Extra': '1' },
    });
    assert.deepEqual(answer, {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: { answer: 42 },
    });
    const [{ url, headers, body } = assert.fail()] = received;
    assert.equal(url, '/v2/orders?dry=a+b');
    assert.equal(headers.authorization, `Bearer ${secret}`);
    assert.equal(headers['idempotency-key'], 'key-1');
    assert.equal(headers['x-extra'], '1');
    assert.equal(body, '{"item":1}');
    const text = await call(id, { path: '/text' });
    assert.deepEqual(text, { status: 404, headers: {}, body: 'plain words' });
  });

  it('R6.1 goes only to hosts the settings allow at this moment, also those of one agent', async () => {
    const id = await connected();
    const allow = async (hosts: string[] | null, of = '') => {
      const set = { 'egress.allowedHosts': hosts };
      const given = { set, reason: 'a test of it' };
      const told = await acme.call<{ version: number }>('PATCH', `/v1/settings${of}`, given);
      assert.equal(told.status, 200, told.text);
      const path = `/v1/settings/versions/${told.body.version}`;
      await until(
        async () => (await acme.call<{ appliedEverywhere: boolean }>('GET', path)).body.appliedEverywhere,
      );
    };
    const refused = (thrown: unknown) => thrown instanceof Refusal && thrown.extra.egress === 'host';
    assert.equal((await call(id)).status, 200);
    await allow(['*.example.com']);
    await assert.rejects(call(id), refused);
    await allow(null);
    assert.equal((await call(id)).status, 200);
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Own', model: 'demo' });
    await allow(['api.example.com'], `?agent=${agent.body.id}`);
    assert.equal((await call(id)).status, 200);
    await assert.rejects(call(id, { usedBy: { ...usedBy, agentId: agent.body.id } }), refused);
    assert.equal(received.length, 3, 'nothing that was refused came here');
  });

  it('R6.4 lets no tool say who it is, whom it talks to, or how', async () => {
    const id = await connected({ auth: 'header', header: 'X-Key' });
    const headers = {
      Host: 'other',
      'X-KEY': 'mine',
      authorization: 'mine',
      Cookie: 'c',
      'Proxy-Authorization': 'p',
    };
    await call(id, { headers: { ...headers, 'Idempotency-Key': 'mine' } });
    const [{ headers: sent } = assert.fail()] = received;
    assert.equal(sent['x-key'], secret);
    assert.equal(sent['idempotency-key'], 'key-1');
    assert.equal(sent.host, `127.0.0.1:${server.port}`);
    for (const name of ['authorization', 'cookie', 'proxy-authorization'])
      assert.equal(sent[name], undefined, name);
  });

  it('R6.4 refuses what would be a header more, and does not hold it against the other side', async () => {
    const id = await connected();
    for (let times = 0; times < 3; times++)
      for (const headers of [{ 'x-a': 'b\r\nx-injected: c' }, { 'x a': 'b' }, { 'x-a': 'ü' }])
        await assert.rejects(call(id, { headers }), Refusal);
    assert.equal(received.length, 0);
    assert.equal((await call(id)).status, 200);
  });

  it('R6.4 records each use: who, which agent, which run, and how it went, but nothing that was said', async () => {
    const id = await connected();
    await call(id, { method: 'POST', body: 'canary words' });
    await assert.rejects(call(id, { path: '/broken' }));
    const uses = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql('SELECT * FROM integration_uses WHERE integration_id = $1 ORDER BY id', [id]),
    );
    const told = uses.map((use) => [
      use.principal_id,
      use.agent_id,
      use.run_id,
      use.method,
      use.status,
      use.failure,
    ]);
    assert.deepEqual(told, [
      ['usr_ada', 'agt_one', 'run_one', 'POST', 200, null],
      ['usr_ada', 'agt_one', 'run_one', 'GET', 500, 'answer'],
    ]);
    assert.ok(!JSON.stringify(uses).includes('canary'));
  });

  it('R6.4 does not use what was never tried, what is not there, or what is another organisation’s', async () => {
    const id = await connected();
    const untried = await connected({}, null);
    await assert.rejects(call(untried), /without being checked/);
    await assert.rejects(call('int_x'), /no integration/);
    await assert.rejects(call(id, {}, globex), /no integration/);
    assert.equal(received.length, 0);
  });

  it('R6.4 bounds what goes out and what comes back', async () => {
    const id = await connected();
    await assert.rejects(
      call(id, { path: '/huge' }),
      (thrown: Error) => thrown instanceof Refusal && /larger/.test(thrown.message),
    );
    await assert.rejects(call(id, { body: 'x'.repeat(2_000_000) }), Refusal);
  });

  it('R6.4 keeps an access token sealed, and gets another when it is not taken any more', async () => {
    tokens = 0;
    const tokenUrl = `http://127.0.0.1:${server.port}/token`;
    const id = await connected({ auth: 'oauth2', tokenUrl, clientId: 'c' });
    await call(id);
    await call(id);
    assert.equal(tokens, 1);
    await call(id, { path: '/renewed' });
    assert.equal(tokens, 2);
    assert.equal(received.at(-1)?.headers.authorization, 'Bearer tok-2');
    const [row] = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql<{ token_sealed: Buffer }>('SELECT token_sealed FROM integrations WHERE id = $1', [id]),
    );
    assert.ok(row && !row.token_sealed.includes('tok-2'));
  });

  it('R6.4 leaves alone what fails five times in a row, for this integration and no other, and shows it', async () => {
    const [bad, good] = await Promise.all([connected(), connected()]);
    for (let times = 0; times < 5; times++)
      await assert.rejects(call(bad, { path: '/broken' }), /stage "answer"/);
    received.splice(0);
    await assert.rejects(call(bad), /left alone/);
    assert.equal(received.length, 0);
    assert.equal((await call(good)).status, 200);
    await eventually(async () => {
      const shown = await acme.call<{ breaker: { state: string } }>('GET', `/v1/integrations/${bad}`);
      assert.equal(shown.body.breaker.state, 'open');
    });
  });
});
