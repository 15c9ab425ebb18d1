import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { inTenant } from '../../models/scope.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';
import { plainServer, type Served } from '../support/tls-server.ts';

type Shown = {
  id: string;
  state: string;
  version: number;
  credential: { lastFour: string; overlapUntil: string | null };
  lastCheck: { verdicts: { stage: string; outcome: string }[] } | null;
  warnings: string[];
};
type Problem = {
  code: string;
  errors: { pointer: string; code: string }[];
  verdicts: { stage: string; outcome: string }[];
};
const token = 'a-bearer-token-of-acme-9876';
const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;

describe('integrations', () => {
  let acme: Member;
  let other: Served;
  let received: { url: string; headers: NodeJS.Dict<string | string[]>; body: string }[] = [];
  /** What the receiver of webhooks answers. */
  let hookStatus = 200;
  /** As if the other side had withdrawn every credential. */
  const withdrawn = false;

  function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const { url = '', headers } = request;
    received.push({ url, headers, body });
    if (url.startsWith('/hook')) return void response.writeHead(hookStatus).end();
    if (url.startsWith('/slack')) return void response.writeHead(body === '{}' ? 400 : 200).end('no_text');
    const good = [`Bearer ${token}`, `Basic ${Buffer.from('ada:pass word of ada').toString('base64')}`];
    if (withdrawn) return void response.writeHead(401).end();
    if (!good.includes(String(headers.authorization)) && headers['x-key'] !== token)
      return void response.writeHead(401).end('the secret banner of the other side');
    if (url.startsWith('/forbidden')) return void response.writeHead(403).end();
    if (url.startsWith('/broken')) return void response.writeHead(500).end();
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"hello":"there"}');
  }

  before(async () => {
    useSharedModels();
    acme = await member();
    other = await plainServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => answer(request, response, Buffer.concat(chunks).toString()));
    });
  });
  after(() => other.stop());
  beforeEach(() => {
    received = [];
    hookStatus = 200;
  });

  const at = (path: string) => `http://127.0.0.1:${other.port}${path}`;
  const http = (path = '', more: object = {}) => ({
    name: freshSlug('crm'),
    kind: 'http',
    target: { url: at(path), auth: 'bearer' },
    credential: token,
    ...more,
  });
  const hook = (events = ['integration.failing']) => ({
    name: freshSlug('hook'),
    kind: 'webhook',
    target: { url: at('/hook'), events },
    credential: secretOf(1),
  });
  const make = async (body: object, query = '', as = acme) => {
    const made = await as.call<Shown>('POST', `/v1/integrations${query}`, body);
    assert.equal(made.status, 201, made.text);
    return made.body;
  };
  const read = async (id: string) => (await acme.call<Shown>('GET', `/v1/integrations/${id}`)).body;

  it('R6.4 saves what works, and shows of the secret four characters and no more', async () => {
    const made = await make(http());
    assert.equal(made.state, 'active');
    assert.equal(made.credential.lastFour, token.slice(-4));
    for (const path of [`/v1/integrations/${made.id}`, '/v1/integrations', '/v1/audit-events']) {
      const { text } = await acme.call('GET', path);
      assert.ok(!text.includes(token), path);
    }
    const stored = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql<{ all: string }>('SELECT integrations::text AS all FROM integrations'),
    );
    assert.ok(!JSON.stringify(stored).includes(token));
    assert.ok(!JSON.stringify(stored).includes(Buffer.from(token).toString('hex')));
  });

  it('R6.4 tries each way of authorising: bearer, basic, a header of one’s own', async () => {
    await make(
      http('', { target: { url: at(''), auth: 'basic', username: 'ada' }, credential: 'pass word of ada' }),
    );
    await make(http('', { target: { url: at(''), auth: 'header', header: 'X-Key' } }));
    await make({ name: freshSlug('chat'), kind: 'slack', credential: at('/slack/T0/B0') });
  });

  const stagesOf = async (body: object) => {
    const refused = await acme.call<Problem>('POST', '/v1/integrations', body);
    assert.equal(refused.status, 422, refused.text);
    assert.ok(!refused.text.includes('banner'), refused.text);
    return refused.body.verdicts.find(({ outcome }) => outcome === 'failed')?.stage;
  };

  it('R6.4 does not save what does not work, says at which stage it stopped, and nothing of what answered', async () => {
    assert.equal(await stagesOf(http('', { credential: 'another token' })), 'auth');
    assert.equal(await stagesOf(http('/forbidden')), 'permission');
    assert.equal(await stagesOf(http('/broken')), 'answer');
    assert.equal(
      await stagesOf(http('', { target: { url: 'http://127.0.0.1:1/', auth: 'bearer' } })),
      'reach',
    );
    assert.equal(
      await stagesOf(http('', { target: { url: 'https://127.0.0.2/', auth: 'bearer' } })),
      'address',
    );
    assert.equal(
      await stagesOf(http('', { target: { url: `https://127.0.0.1:${other.port}/`, auth: 'bearer' } })),
      'tls',
    );
    assert.equal(
      await stagesOf(http('', { target: { url: 'https://nobody.invalid/', auth: 'bearer' } })),
      'name',
    );
    hookStatus = 401;
    assert.equal(await stagesOf(hook()), 'auth');
  });

  it('R6.4 lists every fault of what a kind needs', async () => {
    const { status, body } = await acme.call<Problem>('POST', '/v1/integrations', {
      name: 'Bad',
      kind: 'http',
      target: { url: 'ftp://x/', auth: 'oauth2', unknown: 1 },
      credential: 'two\nlines',
    });
    assert.equal(status, 400);
    const pointers = body.errors.map(({ pointer }) => pointer);
    for (const each of ['/target/url', '/target/unknown', '/credential'])
      assert.ok(pointers.includes(each), each);
    const userinfo = await acme.call<Problem>(
      'POST',
      '/v1/integrations',
      http('', { target: { url: 'https://a:b@x.example/', auth: 'bearer' } }),
    );
    assert.equal(userinfo.status, 400);
  });

  it('R6.4 saves without trying only when told to, marks it as unverified, and takes it into use by a check', async () => {
    const { id, state } = await make(http(), '?validate=false');
    assert.equal(state, 'unverified');
    assert.equal(received.length, 0);
    const checked = await acme.call<{ works: boolean }>('POST', `/v1/integrations/${id}/checks`);
    assert.equal(checked.body.works, true);
    assert.equal((await read(id)).state, 'active');
  });

  it('R6.4 changes by version, and asks for the credential again when the address changes', async () => {
    const { id } = await make(http());
    const path = `/v1/integrations/${id}`;
    const elsewhere = { target: { url: 'https://collector.example/', auth: 'bearer' } };
    const refused = await acme.call<Problem>('PATCH', `${path}?validate=false`, elsewhere);
    assert.equal(refused.status, 400);
    assert.deepEqual(
      refused.body.errors.map(({ pointer }) => pointer),
      ['/credential'],
    );
    const renamed = await acme.call<Shown>(
      'PATCH',
      path,
      { name: freshSlug('renamed') },
      { 'if-match': '"1"' },
    );
    assert.equal(renamed.status, 200, renamed.text);
    assert.equal(renamed.body.version, 2);
    assert.equal((await acme.call('PATCH', path, { name: 'late' }, { 'if-match': '"1"' })).status, 412);
    const bad = await acme.call<Problem>('PATCH', path, { credential: 'another token' });
    assert.equal(bad.status, 422);
    assert.equal((await acme.call('DELETE', path, undefined, { 'if-match': '"2"' })).status, 204);
    assert.equal((await acme.call('GET', path)).status, 404);
  });

  it('R6.4 tries without saving in a dry run', async () => {
    const body = http();
    const dry = await acme.call<Shown>('POST', '/v1/integrations?dryRun=true', body);
    assert.equal(dry.status, 200, dry.text);
    const { text } = await acme.call('GET', '/v1/integrations?limit=200');
    assert.ok(!text.includes(body.name));
  });
});
