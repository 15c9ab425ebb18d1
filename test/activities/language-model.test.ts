import assert from 'node:assert/strict';
import { ModelFailure } from '../../policies/model-verdict.ts';
import { Refusal } from '../../policies/refusal.ts';
import { added, ask, ending, usesOf } from '../support/llm.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const secret = 'sk-good-credential-0001';
const tools = [
  {
    name: 'look_up',
    description: 'Looks a word up',
    inputSchema: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] },
  },
];

describe('a call of a model', () => {
  let acme: Member;
  let admin: KeyHolder;
  let server: ModelServer;
  let provider: { id: string };
  before(async () => {
    useSharedModels();
    // One of the servers says that it used up more than any plan gives.
    acme = await member({ quotas: { tokens: Number.MAX_SAFE_INTEGER } });
    admin = await signedInPerson(acme.tenant.id, 'admin');
    server = await startModelServer(secret);
    provider = await added(acme, { baseUrl: server.url, credential: secret, timeoutSeconds: 2 });
  });
  after(() => server.stop());

  const asking = (model: string, more: object = {}) =>
    ask(admin, { providerId: provider.id, model, ...more });
  const streaming = (model: string) => asking(model, { onText: () => {} });

  it('R6.1 answers with the text, what it cost and who answered', async () => {
    const answer = await asking('good', { system: 'Be brief.' });
    assert.deepEqual(answer, {
      text: 'Hello, world',
      toolCalls: [],
      finish: 'stop',
      usage: { input: 11, output: 7, cached: 4, reasoning: 2 },
      providerId: provider.id,
      model: 'good',
    });
    assert.deepEqual(server.received.at(-1)?.body.messages, [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ]);
  });

  it('R6.1 streams the text as it comes, and counts its tokens once though every event tells some', async () => {
    const pieces: string[] = [];
    const answer = await asking('good', { onText: (text: string) => pieces.push(text) });
    assert.deepEqual(pieces, ['Hello', ', ', 'world']);
    assert.equal(answer.text, 'Hello, world');
    assert.deepEqual(answer.usage, { input: 11, output: 7, cached: 4, reasoning: 2 });
    const [use] = await usesOf(acme, provider);
    assert.deepEqual(use?.tokens, answer.usage);
  });

  it('R6.1 hands tool calls back and carries none out, broken arguments as the text they are', async () => {
    const { toolCalls, finish } = await asking('tools', { tools });
    assert.deepEqual(toolCalls, [{ id: 'call_1', name: 'look_up', input: { word: 'tea' } }]);
    assert.equal(finish, 'stop');
    const broken = await asking('tools-broken', { tools });
    assert.deepEqual(broken.toolCalls, [{ id: 'call_1', name: 'look_up', input: '{"word":' }]);
  });

  it('R6.1 ends by its verdict whatever the provider does, as a refusal where the organisation can mend it', async () => {
    const expected: Record<string, string> = {
      unknown: 'model-unknown',
      'status-400': 'request-refused',
      'too-long': 'too-long',
      'no-quota': 'quota-exhausted',
      'slow-down': 'rate-limited, again',
      'status-500': 'provider-failed, again',
      'status-503': 'provider-failed, again',
      half: 'cut-off, again',
      'half-politely': 'not-understood, again',
      rubbish: 'not-understood, again',
      'rubbish-shape': 'not-understood, again',
      huge: 'too-large, again',
      hang: 'too-slow, again',
      'hang-half': 'too-slow, again',
      'echo-key': 'credential-refused',
    };
    const endings = await Promise.all(Object.keys(expected).map((model) => ending(asking(model))));
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((model, at) => [model, endings[at]])),
      expected,
    );
  });

  it('R6.1 ends a stream by its verdict as well', async () => {
    const expected: Record<string, string> = {
      unknown: 'model-unknown',
      'slow-down': 'rate-limited, again',
      'status-500': 'provider-failed, again',
      half: 'cut-off, again',
      'half-politely': 'not-understood, again',
      rubbish: 'not-understood, again',
      'rubbish-shape': 'not-understood, again',
      huge: 'too-large, again',
      hang: 'too-slow, again',
      'hang-half': 'too-slow, again',
      'error-in-stream': 'provider-failed, again',
    };
    const endings = await Promise.all(Object.keys(expected).map((model) => ending(streaming(model))));
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((model, at) => [model, endings[at]])),
      expected,
    );
  });

  it('R6.1 goes nowhere it is sent on to', async () => {
    assert.match(await ending(asking('redirect')), /redirect/);
  });

  it('R6.1 tells how long to wait where the provider says so', async () => {
    const failure = await asking('slow-down').catch((thrown: unknown) => thrown);
    assert.ok(failure instanceof ModelFailure);
    assert.equal(failure.retryAfterSeconds, 3);
  });

  it('R6.1 leaves no connection open, and keeps little of what is endless', async () => {
    global.gc?.();
    const before = process.memoryUsage().rss;
    await Promise.all([1, 2, 3, 4].map((each) => ending(each % 2 ? asking('huge') : streaming('huge'))));
    const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
    assert.ok(grown < 300, `grew by ${Math.round(grown)} MB over 400 MB`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(server.open(), []);
  });

  it('R6.1 counts what a provider says it cost and nothing that cannot be', async () => {
    assert.deepEqual((await asking('no-usage')).usage, { input: 0, output: 0, cached: 0, reasoning: 0 });
    assert.equal((await usesOf(acme, provider))[0]?.tokens, null);
    const { usage } = await asking('odd-usage');
    assert.ok(usage.input >= 0 && usage.output <= 1_000_000_000, JSON.stringify(usage));
  });

  it('R6.1 ends at once when whoever asked gives up', async () => {
    const giveUp = new AbortController();
    const reason = new Error('cancelled by a test');
    setTimeout(() => giveUp.abort(reason), 100);
    await assert.rejects(asking('hang', { signal: giveUp.signal }), reason);
    assert.equal((await usesOf(acme, provider))[0]?.outcome, 'cancelled');
  });

  it('R6.1 downloads nothing that a message points to', async () => {
    const image = { type: 'image' as const, image: new URL(server.url) };
    const messages = [{ role: 'user' as const, content: [image] }];
    const before = server.received.length;
    const end = await ending(asking('good', { messages }));
    assert.equal(end, 'request-refused');
    assert.equal(server.received.length, before);
  });

  it('R6.2 lets nothing of prompt, credential or answer out with what went wrong', async () => {
    const prompt = 'canary-prompt-71';
    const messages = [{ role: 'user' as const, content: prompt }];
    for (const model of ['echo-key', 'status-500', 'rubbish', 'error-in-stream', 'unknown', 'half']) {
      for (const onText of [undefined, () => {}]) {
        const thrown = await asking(model, { messages, ...(onText && { onText }) }).catch(
          (why: unknown) => why,
        );
        assert.ok(thrown instanceof Refusal || thrown instanceof ModelFailure);
        const told = JSON.stringify(thrown, Object.getOwnPropertyNames(thrown)) + thrown.stack;
        assert.doesNotMatch(told, /canary|sk-/, model);
        assert.equal(thrown.cause, undefined);
      }
    }
  });
});
