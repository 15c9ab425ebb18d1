import assert from 'node:assert/strict';
import type { LlmProvider } from '../../api/llm-provider.ts';
import { newId } from '../../models/ids.ts';
import { added, ask, published, settle } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { signedInPerson, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

const path = '/v1/llm-providers';
const secret = 'sk-good-credential-0003';
type Problem = { detail: string; errors: { pointer: string; detail: string }[] };

describe('model providers', () => {
  let acme: Member;
  let server: ModelServer;
  before(async () => {
    useSharedModels();
    acme = await member();
    server = await startModelServer(secret);
  });
  after(() => server.stop());

  const adding = (body: object = {}) => added(acme, { baseUrl: server.url, credential: secret, ...body });
  const asking = (body: object) =>
    acme.call<Problem>('POST', path, { name: freshSlug('llm'), kind: 'openai', region: 'EU', ...body });

  it('R6.1 are added, read, listed, changed at the version that was read, and removed', async () => {
    const made = await adding({ models: ['good'], aliases: { best: 'good' } });
    const { headers, body } = await acme.call<LlmProvider>('GET', `${path}/${made.id}`);
    assert.deepEqual(body, made);
    assert.equal(made.credentials.length, 1);
    const change = { name: 'Renamed', models: null };
    const stale = await acme.call('PATCH', `${path}/${made.id}`, change, { 'if-match': '"7"' });
    assert.equal(stale.status, 412);
    const etag = String(headers.etag);
    const changed = await acme.call<LlmProvider>('PATCH', `${path}/${made.id}`, change, { 'if-match': etag });
    assert.deepEqual(changed.body, {
      ...made,
      ...change,
      version: 2,
      updatedAt: changed.body.updatedAt,
    });
    const listed = await acme.call<{ items: LlmProvider[] }>(
      'GET',
      `${path}?kind=openai-compatible&limit=200`,
    );
    assert.deepEqual(
      listed.body.items.find(({ id }) => id === made.id),
      changed.body,
    );
    assert.equal((await acme.call('DELETE', `${path}/${made.id}`)).status, 204);
    assert.equal((await acme.call('GET', `${path}/${made.id}`)).status, 404);
    assert.equal((await acme.call('GET', `${path}/${made.id}/uses`)).status, 200, 'the log outlives it');
  });

  it('R6.1 have names of their own, without regard to case', async () => {
    const name = freshSlug('Name');
    await adding({ name });
    const again = await asking({ name: name.toUpperCase(), credential: secret });
    assert.equal(again.status, 409);
    assert.equal(again.body.errors[0]?.pointer, '/name');
  });

  it('R6.1 are saved only with what their kind needs, every fault told at once', async () => {
    const faultsOf = async (body: object) => {
      const reply = await asking(body);
      assert.equal(reply.status, 400, reply.text);
      return reply.body.errors.map(({ pointer }) => pointer);
    };
    assert.deepEqual(await faultsOf({ region: 'MARS', agents: [newId('agt')], apiVersion: '1' }), [
      '/credential',
      '/region',
      '/apiVersion',
      '/agents',
    ]);
    assert.deepEqual(await faultsOf({ kind: 'azure', credential: secret }), ['/baseUrl']);
    assert.deepEqual(await faultsOf({ kind: 'demo', credential: secret }), ['/credential']);
    assert.deepEqual(await faultsOf({ credential: 'with blank in it' }), ['/credential']);
    assert.deepEqual(await faultsOf({ credential: 'sk-line\r\nX-Evil: 1' }), ['/credential']);
  });

  it('R6.1 have public addresses over TLS, or those the operator has listed', async () => {
    for (const baseUrl of [
      'http://api.example.com/v1',
      'https://10.0.0.7/v1',
      'https://169.254.169.254/latest',
      'https://[::1]/v1',
      'https://0x7f000002/v1',
      'https://localhost/v1',
      'https://metadata.google.internal/',
      'https://intranet/v1',
      'https://user:secret@api.example.com/v1',
      'https://api.example.com/v1?key=secret',
      'ftp://api.example.com',
      'nonsense',
    ]) {
      const reply = await asking({ baseUrl, credential: secret });
      assert.equal(reply.status, 400, baseUrl);
      assert.deepEqual(
        reply.body.errors.map(({ pointer }) => pointer),
        ['/baseUrl'],
        baseUrl,
      );
      assert.ok(!reply.text.includes('user:secret'));
    }
    assert.equal((await asking({ baseUrl: 'https://api.example.com/v1', credential: secret })).status, 201);
  });

  it('R6.1 try a change out before it is made', async () => {
    const name = freshSlug('dry');
    const body = { name, kind: 'demo', region: 'EU' };
    const dry = await acme.call('POST', `${path}?dryRun=true`, body);
    assert.equal(dry.status, 200);
    assert.equal((await acme.call('POST', path, body)).status, 201, 'the name is still free');
    const made = await adding();
    await acme.call('PATCH', `${path}/${made.id}?dryRun=true`, { enabled: false });
    await acme.call('DELETE', `${path}/${made.id}?dryRun=true`);
    assert.deepEqual((await acme.call('GET', `${path}/${made.id}`)).body, made);
  });

  it('R6.1 go only when nothing names them, or another takes over', async () => {
    const globex = await member();
    const admin = await signedInPerson(globex.tenant.id, 'admin');
    const [one, two] = [
      await added(globex, { baseUrl: server.url, credential: secret }),
      await added(globex, { baseUrl: server.url, credential: secret }),
    ];
    await settle(globex.tenant.id, { 'llm.defaultProvider': two.id, 'llm.fallbackProviders': [one.id] });
    const refused = await globex.call<Problem>('DELETE', `${path}/${one.id}`);
    assert.equal(refused.status, 409);
    assert.match(refused.body.detail, /setting llm.fallbackProviders; change that, or/);
    for (const id of [one.id, newId('llm'), (await adding()).id]) {
      const nobody = await globex.call<Problem>('DELETE', `${path}/${one.id}?handOverTo=${id}`);
      assert.equal(nobody.status, 400);
      assert.equal(nobody.body.errors[0]?.pointer, '?handOverTo');
    }
    assert.equal((await globex.call('DELETE', `${path}/${one.id}?handOverTo=${two.id}`)).status, 204);
    const answer = await ask(admin, { model: 'good', providerId: one.id });
    assert.equal(answer.providerId, two.id);
  });

  it('R6.1 go only when no live agent names them, and say which does', async () => {
    const agent = await acme.call<{ id: string }>('POST', '/v1/agents', { name: 'Greeter', model: 'good' });
    const [named, next] = [await adding(), await adding()];
    await published(acme.tenant.id, agent.body.id, { model: 'good', providerId: named.id });
    const refused = await acme.call<Problem>('DELETE', `${path}/${named.id}`);
    assert.equal(refused.status, 409);
    assert.match(refused.body.detail, new RegExp(`named by agent “Greeter” \\(${agent.body.id}\\)`));
    assert.equal((await acme.call('DELETE', `${path}/${next.id}?dryRun=true`)).status, 204);
    assert.equal((await acme.call('DELETE', `${path}/${named.id}?handOverTo=${next.id}`)).status, 204);
  });
});
