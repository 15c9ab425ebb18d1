import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * An OpenAI-compatible server of the tests' own, with every fault a provider can have: the name of the model says which.
 * It accepts the keys it is told to, and keeps what it was sent.
 */
type Received = { key: string; model: string; body: Record<string, unknown>; text: string };
export type ModelServer = {
  url: string;
  received: Received[];
  /** Keys it accepts; empty: any. */
  keys: Set<string>;
  /** Answers that were begun and are still open. */
  open: () => string[];
  stop(): Promise<void>;
};

const usage = {
  prompt_tokens: 11,
  completion_tokens: 7,
  total_tokens: 18,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 2 },
};
const envelope = { id: 'chatcmpl-1', created: 1, model: 'm' };
const answer = (content: string | null, more: object = {}) => ({
  ...envelope,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content, ...more }, finish_reason: 'stop' }],
  usage,
});
const fault = (code: string, message = 'no') => ({ error: { message, type: 'error', code } });

type Given = { body: Record<string, unknown>; stream: boolean; response: ServerResponse };

const json = (response: ServerResponse, status: number, body: unknown, headers = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const begin = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });
const event = (response: ServerResponse, body: unknown) =>
  response.write(`data: ${JSON.stringify(body)}\n\n`);
const delta = (content: string) => ({
  ...envelope,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
});
const last = { ...envelope, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };

/** A hundred megabytes, as fast as they are taken, and no end of it unless somebody hangs up. */
function flood({ response, stream }: Given): void {
  const piece = 'x'.repeat(256 * 1024);
  if (stream) begin(response);
  else response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":"');
  let left = 400;
  const more = () => {
    while (left-- > 0 && !response.destroyed) {
      const full = stream ? !event(response, delta(piece)) : !response.write(piece);
      if (full) return response.once('drain', more);
    }
    return response.end();
  };
  more();
}

const tool = (args: string) => ({
  tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'look_up', arguments: args } }],
});

function streamed(response: ServerResponse, pieces: string[]): void {
  begin(response);
  // As some servers do: the count so far in every event, the whole in the last.
  for (const piece of pieces) event(response, { ...delta(piece), usage: { ...usage, completion_tokens: 1 } });
  event(response, last);
  event(response, { ...envelope, choices: [], usage });
  response.end('data: [DONE]\n\n');
}

const behaviours: Record<string, (given: Given) => void> = {
  good: ({ response, stream }) =>
    stream ? streamed(response, ['Hello', ', ', 'world']) : json(response, 200, answer('Hello, world')),
  hang: () => {},
  'hang-half': ({ response, stream }) => {
    if (stream) event(begin(response), delta('Hel'));
    else response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":');
  },
  half: ({ response, stream }) => {
    if (stream) event(begin(response), delta('Hel'));
    else response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":');
    setTimeout(() => response.destroy(), 50);
  },
  'half-politely': ({ response, stream }) => {
    if (stream) event(begin(response), delta('Hel'));
    response.end(stream ? undefined : '{"choices":');
  },
  rubbish: ({ response, stream }) =>
    stream ? begin(response).end('data: {"nonsense\n\n') : json(response, 200, 'no object'),
  'rubbish-shape': ({ response, stream }) => {
    if (!stream) return json(response, 200, { choices: 'none' });
    event(begin(response), { choices: 7 });
    return response.end();
  },
  huge: flood,
  'status-500': ({ response }) => json(response, 500, fault('server_error')),
  'status-503': ({ response }) => json(response, 503, fault('overloaded'), { 'retry-after': '7' }),
  'status-400': ({ response }) => json(response, 400, fault('invalid')),
  'too-long': ({ response }) => json(response, 400, fault('context_length_exceeded')),
  'slow-down': ({ response }) => json(response, 429, fault('rate_limit_exceeded'), { 'retry-after': '3' }),
  'no-quota': ({ response }) => json(response, 429, fault('insufficient_quota')),
  unknown: ({ response }) => json(response, 404, fault('model_not_found')),
  redirect: ({ response }) => response.writeHead(307, { location: 'http://169.254.169.254/' }).end(),
  'error-in-stream': ({ response }) => {
    event(begin(response), delta('Hel'));
    event(response, fault('server_error', 'sk-echoed-credential'));
    response.end();
  },
  'echo-key': ({ response }) => json(response, 401, fault('invalid_api_key', 'Incorrect API key: sk-echoed')),
  tools: ({ response }) => json(response, 200, answer(null, tool('{"word":"tea"}'))),
  'tools-broken': ({ response }) => json(response, 200, answer(null, tool('{"word":'))),
  json: ({ response }) => json(response, 200, answer('{"city":"Graz","people":3}')),
  'json-deep': ({ response }) => json(response, 200, answer(`${'{"in":'.repeat(60)}{}${'}'.repeat(60)}`)),
  'json-slow': ({ response }) => json(response, 200, answer(`{"city":"${'a'.repeat(60)}!"}`)),
  'json-wrong': ({ response }) => json(response, 200, answer('{"city":7}')),
  'no-usage': ({ response }) => json(response, 200, { ...answer('Free'), usage: undefined }),
  'odd-usage': ({ response }) =>
    json(response, 200, {
      ...answer('Odd'),
      usage: { ...usage, prompt_tokens: -5, completion_tokens: 1e300 },
    }),
};

export async function startModelServer(...accepted: string[]): Promise<ModelServer> {
  const received: Received[] = [];
  const keys = new Set(accepted);
  /** Faults that were to happen `-once`, and did. */
  const spent = new Set<string>();
  const open = new Set<{ model: string }>();
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    void serve(request, response);
  });
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const text = (await buffer(request)).toString();
    const body = JSON.parse(text) as Record<string, unknown>;
    const key = (request.headers.authorization ?? '').replace('Bearer ', '');
    const model = String(body.model);
    received.push({ key, model, body, text });
    const begun = { model: `${model}${body.stream ? ', streamed' : ''}` };
    open.add(begun);
    response.once('close', () => open.delete(begun));
    if (keys.size > 0 && !keys.has(key)) return json(response, 401, fault('invalid_api_key', `bad ${key}`));
    const fails = model.replace(/-once$/, '');
    const act = behaviours[spent.has(model) ? 'good' : fails] ?? behaviours.unknown;
    if (fails !== model) spent.add(model);
    return act?.({ body, stream: body.stream === true, response });
  };
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo; // it listens on a port
  return {
    url: `http://127.0.0.1:${port}/v1`,
    received,
    keys,
    open: () => [...open].map(({ model }) => model),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
