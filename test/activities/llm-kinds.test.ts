import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type LlmKind, llmKinds } from '../../policies/llm-provider.ts';
import { added, ask, ending } from '../support/llm.ts';
import { type KeyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

const secret = 'sk-of-any-kind-0001';
const said = 'Hello from the other side';

/** What each kind is expected to ask, and an answer in its protocol: 5 tokens in, 3 out. */
type Protocol = {
  path: string;
  credential: (headers: IncomingHttpHeaders) => string | undefined;
  answer: unknown;
  more?: object;
};
const chat = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: said }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
};
const bearer = ({ authorization }: IncomingHttpHeaders) => authorization?.replace('Bearer ', '');
const header = (name: string) => (headers: IncomingHttpHeaders) => String(headers[name]);

const protocols: Record<Exclude<LlmKind, 'demo'>, Protocol> = {
  openai: { path: '/v1/chat/completions', credential: bearer, answer: chat },
  'openai-compatible': { path: '/v1/chat/completions', credential: bearer, answer: chat },
  mistral: { path: '/v1/chat/completions', credential: bearer, answer: chat },
  azure: {
    path: '/v1/deployments/m/chat/completions?api-version=2024-10-21',
    credential: header('api-key'),
    answer: chat,
    more: { apiVersion: '2024-10-21' },
  },
  anthropic: {
    path: '/v1/messages',
    credential: header('x-api-key'),
    answer: {
      id: 'x',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: said }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 5, output_tokens: 3 },
    },
  },
  google: {
    path: '/v1/models/m:generateContent',
    credential: header('x-goog-api-key'),
    answer: {
      candidates: [{ content: { role: 'model', parts: [{ text: said }] }, finishReason: 'STOP', index: 0 }],
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 3, totalTokenCount: 8 },
    },
  },
  ollama: {
    path: '/v1/chat',
    credential: bearer,
    answer: {
      model: 'm',
      created_at: '2026-01-01T00:00:00Z',
      message: { role: 'assistant', content: said },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 5,
      eval_count: 3,
    },
  },
};

describe('each kind of model provider', () => {
  let acme: Member;
  let admin: KeyHolder;
  before(async () => {
    useSharedModels();
    acme = await member();
    admin = await signedInPerson(acme.tenant.id, 'admin');
  });

  for (const [kind, { path, credential, answer, more }] of Object.entries(protocols)) {
    it(`R6.1 speaks its own protocol: ${kind}`, async () => {
      const asked: { path: string | undefined; credential: string | undefined; body: string }[] = [];
      let status = 200;
      const server = createServer(async (request, response) => {
        const body = (await buffer(request)).toString();
        asked.push({ path: request.url, credential: credential(request.headers), body });
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(status === 200 ? answer : { error: 'no' }));
      });
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      try {
        const { port } = server.address() as AddressInfo; // it listens on a port
        const baseUrl = `http://127.0.0.1:${port}/v1`;
        const { id: providerId } = await added(acme, { kind, baseUrl, credential: secret, ...more });
        const { text, usage, finish } = await ask(admin, { model: 'm', providerId, system: 'Be kind' });
        assert.deepEqual([text, finish, usage.input, usage.output], [said, 'stop', 5, 3]);
        assert.deepEqual([asked[0]?.path, asked[0]?.credential], [path, secret]);
        assert.match(asked[0]?.body ?? '', /Be kind/);
        status = 401;
        assert.equal(await ending(ask(admin, { model: 'm', providerId })), 'credential-refused');
        status = 529;
        assert.equal(await ending(ask(admin, { model: 'm', providerId })), 'provider-failed, again');
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
  }

  it('R6.1 has its test above, or is the demo server', () => {
    assert.deepEqual([...Object.keys(protocols), 'demo'].sort(), [...llmKinds].sort());
  });
});
