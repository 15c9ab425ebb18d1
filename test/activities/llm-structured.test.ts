import assert from 'node:assert/strict';
import { ModelFailure } from '../../policies/model-verdict.ts';
import { added, ask, ending, usesOf } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const secret = 'sk-good-credential-0001';

describe('an answer in JSON', () => {
  let acme: Member;
  let admin: KeyHolder;
  let server: ModelServer;
  let provider: { id: string };
  before(async () => {
    useSharedModels();
    acme = await member();
    admin = await signedInPerson(acme.tenant.id, 'admin');
    server = await startModelServer(secret);
    provider = await added(acme, { baseUrl: server.url, credential: secret, timeoutSeconds: 2 });
  });
  after(() => server.stop());

  const asking = (model: string, more: object = {}) =>
    ask(admin, { providerId: provider.id, model, ...more });

  it('R6.1 asks for JSON of a shape, and takes nothing that has another', async () => {
    const outputSchema = {
      type: 'object',
      properties: { city: { type: 'string' }, people: { type: 'integer' } },
      required: ['city'],
    };
    const answer = await asking('json', { outputSchema });
    assert.deepEqual(answer.output, { city: 'Graz', people: 3 });
    assert.match(server.received.at(-1)?.text ?? '', /"json_schema"/);
    const wrong = await asking('json-wrong', { outputSchema }).catch((thrown: unknown) => thrown);
    assert.ok(wrong instanceof ModelFailure);
    assert.equal(wrong.verdict, 'not-understood');
    // It was paid for all the same.
    assert.deepEqual(wrong.usage, { input: 11, output: 7, cached: 4, reasoning: 2 });
    const [use] = await usesOf(acme, provider);
    assert.equal(use?.outcome, 'not-understood');
    assert.deepEqual(use?.tokens, wrong.usage);
  });

  it('R6.1 holds nobody up with a shape that takes for ever to compare an answer with', async () => {
    const twice = {
      anyOf: [1, 2].map(() => ({ properties: { in: { $ref: '#/$defs/a' } }, minProperties: 1 })),
    };
    const bomb = { $defs: { a: twice }, $ref: '#/$defs/a' };
    const started = performance.now();
    assert.match(await ending(asking('json-deep', { outputSchema: bomb })), /takes too long/);
    const slow = { properties: { city: { pattern: '^(a+)+$' } } };
    assert.match(await ending(asking('json-slow', { outputSchema: slow })), /takes too long/);
    assert.ok(performance.now() - started < 10_000);
    const noSchema = { type: 'nonsense' };
    assert.match(await ending(asking('json', { outputSchema: noSchema })), /no JSON Schema/);
  });
});
