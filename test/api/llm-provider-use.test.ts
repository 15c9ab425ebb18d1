import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { added, ask, usesOf } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const path = '/v1/llm-providers';
const secret = 'sk-good-credential-0003';
type Test = { verdict: string; detail: string; model: string; tokens: { input: number } | null };

describe('the use of model providers', () => {
  let acme: Member;
  let builder: KeyHolder;
  let server: ModelServer;
  before(async () => {
    useSharedModels();
    acme = await member();
    builder = await signedInPerson(acme.tenant.id, 'builder');
    server = await startModelServer(secret);
  });
  after(() => server.stop());

  const adding = (body: object = {}) => added(acme, { baseUrl: server.url, credential: secret, ...body });

  it('R6.1 are tested by builders: a coarse verdict, the tokens and the time', async () => {
    const made = await adding({ models: ['good'] });
    const test = (model?: string, who: Pick<KeyHolder, 'call'> = builder) =>
      who.call<Test>('POST', `${path}/${made.id}/tests`, model ? { model } : {});
    const { status, body } = await test();
    assert.equal(status, 200);
    assert.deepEqual([body.verdict, body.model, body.tokens?.input], ['works', 'good', 11]);
    assert.deepEqual((await test('json')).body.verdict, 'not-allowed');
    await acme.call('PATCH', `${path}/${made.id}`, { models: null });
    assert.equal((await test('status-500')).body.verdict, 'provider-failed');
    assert.equal((await test('echo-key')).body.verdict, 'credential-refused');
    const viewer = await signedInPerson(acme.tenant.id, 'operator');
    assert.equal((await test('good', viewer)).status, 403);
    const [, , use] = await usesOf(acme, made);
    assert.deepEqual([use?.purpose, use?.principalId, use?.outcome], ['test', builder.id, 'answered']);
    const trail = await acme.call<{ items: { action: string; outcome: string }[] }>(
      'GET',
      `/v1/audit-events?subjectId=${made.id}&actorId=${builder.id}`,
    );
    assert.ok(
      trail.body.items.some(({ action, outcome }) => action === 'test LlmProvider' && outcome === 'done'),
    );
  });

  it('R6.1 are not tested in a loop', async () => {
    const made = await adding({ models: ['good'] });
    const replies = await Promise.all(
      Array.from({ length: 14 }, () => builder.call('POST', `${path}/${made.id}/tests`, {})),
    );
    const limited = replies.filter(({ status }) => status === 429);
    assert.equal(limited.length, 4);
    assert.ok(limited.every(({ headers }) => Number(headers['retry-after']) > 0));
    assert.equal((await usesOf(acme, made)).length, 10);
  });

  it('R6.1 log each use: filtered, newest first, in pages', async () => {
    const made = await adding();
    const runId = newId('run');
    for (const model of ['good', 'json', 'good'])
      await ask(builder, { model, providerId: made.id, usedBy: { principalId: builder.id, runId } });
    const all = await usesOf(acme, made, `&runId=${runId}`);
    assert.deepEqual(
      all.map(({ model }) => model),
      ['good', 'json', 'good'],
    );
    type Page = { items: { seq: string }[]; nextCursor: string | null };
    const at = async (query: string) =>
      (await acme.call<Page>('GET', `${path}/${made.id}/uses?limit=2${query}`)).body;
    const first = await at('');
    const rest = await at(`&cursor=${first.nextCursor}`);
    assert.deepEqual(
      [...first.items, ...rest.items].map(({ seq }) => seq),
      all.map(({ seq }) => seq),
    );
    assert.equal(rest.nextCursor, null);
    assert.deepEqual(await usesOf(acme, made, `&runId=${newId('run')}`), []);
  });

  it('R6.1 answer through the demo server that comes with the embedded mode', async () => {
    const demo = await added(acme, { kind: 'demo' });
    const answer = await ask(builder, {
      model: 'demo',
      providerId: demo.id,
      messages: [{ role: 'user', content: 'Good morning' }],
    });
    assert.equal(answer.text, 'The demo server was told: Good morning');
    assert.ok(answer.usage.input > 0 && answer.usage.output > 0);
    const { body } = await builder.call<Test>('POST', `${path}/${demo.id}/tests`, {});
    assert.equal(body.verdict, 'works');
  });
});
