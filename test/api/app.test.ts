import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Caller, callerOf, operator, type Reply, send } from '../support/client.ts';
import { handed, ownSettings, type Settings } from '../support/environment.ts';
import { operatorKey, type Running, startApi } from '../support/installation.ts';
import { sharedUrl } from '../support/tenants.ts';

type Problem = { code: string; detail: string };
type Schema = Record<string, unknown>;
type Parameter = { name: string; in: string; required?: boolean; schema: Schema };
type Operation = {
  operationId: string;
  summary: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
  security: Record<string, string[]>[];
};
type OpenApi = {
  openapi: string;
  info: { title: string; version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, unknown> };
};

describe('the OpenAPI document', () => {
  let document: OpenApi;
  let operations: { path: string; method: string; operation: Operation }[];

  before(async () => {
    document = (await send<OpenApi>(sharedUrl(), 'GET', '/v1/openapi.json')).body;
    operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    );
  });

  it('R1.4 is version 3.1 and says what it is and where', () => {
    assert.match(document.openapi, /^3\.1\.\d+$/);
    assert.equal(document.info.title, 'Freehold');
    assert.deepEqual(document.servers, [{ url: sharedUrl() }]);
    assert.ok(operations.length >= 24);
  });

  it('R1.4 gives every operation a name of its own, a summary and described answers', () => {
    const names = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(names).size, names.length);
    for (const { operation } of operations) {
      assert.match(operation.operationId, /^[a-z][A-Za-z]+$/);
      assert.ok(operation.summary.length > 3, operation.operationId);
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        assert.match(status, /^[2-5]\d\d$/);
        assert.ok(description.length > 0, `${operation.operationId} ${status}`);
        const types = Object.keys(content ?? {});
        if (Number(status) >= 400) assert.deepEqual(types, ['application/problem+json']);
      }
    }
  });

  it('R1.4 declares every parameter of a path, required, and no parameter twice', () => {
    for (const { path, operation } of operations) {
      const parameters = operation.parameters ?? [];
      const inPath = parameters.filter((each) => each.in === 'path');
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      assert.deepEqual(inPath.map((each) => each.name).sort(), named.sort(), path);
      assert.ok(inPath.every((each) => each.required === true && each.schema));
      const keys = parameters.map((each) => `${each.in} ${each.name.toLowerCase()}`);
      assert.equal(new Set(keys).size, keys.length, path);
    }
  });

  it('R1.4 refers to nothing that is not there, and asks for credentials it defines', () => {
    const text = JSON.stringify(document);
    for (const [, reference] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
      const steps = String(reference).replace(/^#\//, '').split('/');
      const found = steps.reduce<unknown>(
        (at, step) => (at as Record<string, unknown> | undefined)?.[step],
        document,
      );
      assert.ok(found, reference);
    }
    for (const { operation } of operations)
      for (const scheme of operation.security.flatMap((each) => Object.keys(each)))
        assert.ok(scheme in document.components.securitySchemes);
    for (const type of text.matchAll(/"type":"(\w+)"/g))
      assert.ok(
        ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null', 'http'].includes(type[1] ?? ''),
        type[0],
      );
  });
});

describe('the pages', () => {
  const pages = ['/docs', '/invitations/some-token'];

  for (const path of pages) {
    it(`R4.5 ${path} runs scripts of this host only, stands in nobody’s frame, and loads nothing from elsewhere`, async () => {
      const page = await send(sharedUrl(), 'GET', path);
      assert.equal(page.status, 200);
      const policy = new Map(
        String(page.headers['content-security-policy'])
          .split(';')
          .map((each) => each.trim().split(/\s+/))
          .map(([name = '', ...values]) => [name, values]),
      );
      assert.deepEqual(policy.get('default-src'), ["'self'"]);
      assert.deepEqual(policy.get('script-src'), ["'self'"]);
      assert.deepEqual(policy.get('object-src'), ["'none'"]);
      assert.deepEqual(policy.get('frame-ancestors'), ["'self'"]);
      for (const [name, values] of policy)
        for (const value of values) assert.match(value, /^('self'|'none'|'unsafe-inline'|data:)$/, name);
      assert.ok(!policy.get('script-src-attr')?.includes("'unsafe-inline'"));
      assert.doesNotMatch(page.text, /(src|href)="(https?:)?\/\//);
      for (const [, script = ''] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
        const part = await send(sharedUrl(), 'GET', script);
        assert.equal(part.status, 200, script);
        assert.equal(part.headers['x-content-type-options'], 'nosniff');
      }
      assert.doesNotMatch(page.text, /<script>[^<]|\son\w+=/);
    });
  }

  it('R4.5 never put the token of an address into the page, and keep it from being passed on', async () => {
    const page = await send(sharedUrl(), 'GET', '/invitations/%3Cscript%3Ealert(1)%3C%2Fscript%3E');
    assert.doesNotMatch(page.text, /alert\(1\)/);
    assert.equal(page.headers['referrer-policy'], 'no-referrer');
  });

  it('R4.5 lead nowhere outside their folder', async () => {
    for (const path of [
      '/docs/assets/../../package.json',
      '/docs/assets/%2e%2e/package.json',
      '/docs/assets/..%2f..%2fpackage.json',
      '/docs/assets/',
    ])
      assert.notEqual((await send(sharedUrl(), 'GET', path)).status, 200, path);
  });
});

describe('the answers to those who watch', () => {
  it('R1.4 /healthz says that it lives, /readyz that all its parts answer', async () => {
    assert.deepEqual((await send(sharedUrl(), 'GET', '/healthz')).body, { status: 'ok' });
    assert.deepEqual((await send(sharedUrl(), 'GET', '/readyz')).body, { status: 'ready' });
  });

  it('R2.4 /metrics has a port of its own, apart from what customers reach', async () => {
    const { settings } = handed().shared;
    await operator().call('GET', '/v1/tenants');
    await operator().call('GET', '/v1/me');
    const { text } = await send(`http://127.0.0.1:${settings.FREEHOLD_METRICS_PORT}`, 'GET', '/metrics');
    for (const name of [
      'freehold_http_request_seconds',
      'freehold_http_requests_total',
      'freehold_refusals_total',
    ])
      assert.match(text, new RegExp(`^# TYPE ${name} \\w+$`, 'm'));
    assert.match(
      text,
      /freehold_http_request_seconds_count\{method="get",route="\/tenants",status="200"\} \d/,
    );
    assert.match(text, /freehold_http_requests_total\{tenant="ten_0+",credential="key"\} \d/);
    assert.doesNotMatch(text, /fh_(key|ses|inv)_/);
    assert.equal((await send(sharedUrl(), 'GET', '/metrics')).status, 404);
    const worker = `http://127.0.0.1:${settings.FREEHOLD_WORKER_METRICS_PORT}`;
    assert.match(
      (await send(worker, 'GET', '/metrics')).text,
      /^# TYPE freehold_activity_seconds histogram$/m,
    );
  });
});

describe('an API of its own', () => {
  let settings: Settings;
  let api: Running;
  let url: string;
  let as: Caller;

  before(async () => {
    settings = {
      ...(await ownSettings(handed(), 'freehold')),
      FREEHOLD_ANONYMOUS_PER_MINUTE: '5',
      FREEHOLD_TRUSTED_PROXIES: '127.0.0.1/32',
      FREEHOLD_LOG_LEVEL: 'info',
    };
    url = settings.FREEHOLD_PUBLIC_URL ?? '';
    const key = await operatorKey(settings);
    api = await startApi(settings);
    as = callerOf(key, url);
  });

  after(() => api.stop('SIGKILL'));

  const guess = (forwarded: string, headers = {}): Promise<Reply<Problem>> =>
    send<Problem>(
      url,
      'POST',
      '/v1/sessions',
      { email: 'a@b.example', password: 'x' },
      {
        'x-tenant': 'nobody-here',
        'x-forwarded-for': forwarded,
        ...headers,
      },
    );
  const guesses = async (addresses: string[]) =>
    (await Promise.all(addresses.map((each) => guess(each)))).map((each) => each.status).sort();

  it('R4.5 lets one address guess so often and no more, and tells it when to come back', async () => {
    assert.deepEqual(
      await guesses(Array.from({ length: 7 }, () => '203.0.113.1')),
      [404, 404, 404, 404, 404, 429, 429],
    );
    const refused = await guess('203.0.113.1');
    assert.equal(refused.body.code, 'rate-limited');
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(refused.headers['ratelimit-policy'], '"minute";q=5;w=60');
    assert.equal((await guess('203.0.113.2')).status, 404);
    assert.equal(
      (await as.call('GET', '/v1/tenants', undefined, { 'x-forwarded-for': '203.0.113.1' })).status,
      200,
    );
  });

  it('R4.5 is not fooled by addresses a caller puts before the one its proxy saw', async () => {
    const forged = Array.from({ length: 7 }, (_, at) => `198.51.100.${at}, 203.0.113.3`);
    assert.deepEqual(await guesses(forged), [404, 404, 404, 404, 404, 429, 429]);
  });

  it('R4.5 counts a whole /64 of IPv6 as one address, however it is written', async () => {
    const forms = [
      '2001:db8::1',
      '2001:db8::2',
      '2001:db8:0:0:ffff::3',
      '2001:0DB8::4',
      '2001:db8:0::5',
      '2001:db8::abcd:6',
      '2001:db8::7',
    ];
    assert.deepEqual(await guesses(forms), [404, 404, 404, 404, 404, 429, 429]);
    assert.equal((await guess('2001:db8:0:1::1')).status, 404, 'the neighbour’s');
    const mapped = [
      '203.0.113.4',
      '::ffff:203.0.113.4',
      '::ffff:cb00:7104',
      '203.0.113.4',
      '::ffff:203.0.113.4',
      '203.0.113.4',
    ];
    assert.deepEqual(await guesses(mapped), [404, 404, 404, 404, 404, 429]);
  });

  it('R4.5 counts guessed keys as well', async () => {
    const bad = (headers = {}) =>
      send(url, 'GET', '/v1/me', undefined, {
        authorization: 'Bearer fh_key_x',
        'x-forwarded-for': '203.0.113.5',
        ...headers,
      });
    const statuses = [];
    for (let at = 0; at < 6; at++) statuses.push((await bad()).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429]);
  });

  it('R1.5 writes one line of JSON for whatever is sent, and no secret', async () => {
    const evil = 'x\r\n{"level":"info","msg":"forged"}\u001b[31m\u0000\u2028y';
    const encoded = encodeURIComponent(evil);
    const secret = 'fh_key_thisisnotatoken';
    await as.call('POST', '/v1/tenants', {
      slug: evil,
      name: evil,
      region: evil,
      plan: evil,
      admin: { email: evil, name: evil },
      [evil]: evil,
    });
    await as.call('GET', `/v1/tenants/${encoded}?slug=${encoded}&${encoded}=1`);
    await as.call('GET', `/v1/${encoded}`);
    await as.call('POST', '/v1/tenants', '{"broken', {
      'x-request-id': 'forged"}{"',
      'user-agent': evil.replace(/[^ -~]/g, ''),
    });
    await send(url, 'GET', '/v1/me', undefined, { authorization: `Bearer ${secret}` });
    await pause(100);
    const lines = api.log().trim().split('\n');
    assert.ok(lines.length > 5);
    for (const line of lines) {
      const parsed = JSON.parse(line) as { msg: string; level: string };
      assert.notEqual(parsed.msg, 'forged');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f]/);
      assert.doesNotMatch(line, /thisisnotatoken|forged"\}/);
    }
    assert.ok(
      lines.every((line) => !line.includes('"level":"error"')),
      'nothing of this is our fault',
    );
  });

  it('R1.4 answers what it has begun when it is told to stop, takes nothing new, and ends in peace', async () => {
    const body = JSON.stringify({ email: 'a@b.example', password: 'x' });
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const received = all(socket);
    socket.write(
      `POST /v1/sessions HTTP/1.1\r\nHost: ${hostname}\r\nX-Tenant: nobody-here\r\nX-Forwarded-For: 203.0.113.9\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await pause(200);
    const stopped = api.stop('SIGTERM');
    await pause(300);
    await assert.rejects(send(url, 'GET', '/healthz'), /ECONNREFUSED/);
    const answered = performance.now();
    socket.write(body.slice(5));
    await stopped;
    assert.ok(performance.now() - answered < 4_000, 'it waited for a connection that asked for nothing more');
    assert.match(await received, /^HTTP\/1\.1 404 /);
    assert.deepEqual([api.process.exitCode, api.process.signalCode], [0, null]);
  });
});

async function all(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
