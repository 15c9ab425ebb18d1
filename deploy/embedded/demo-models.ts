import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerOf, type ChatRequest, chatRequest, type DemoAnswer, wait } from './demo-answer.ts';

/**
 * The demo model server of the embedded mode: it speaks the chat completions protocol of OpenAI and is no model at all
 * (demo-answer.ts). Below /tools it answers what it was sent: something to call for agents and workflows. On loopback
 * only, without keys, for tours and tests.
 */
export type DemoModels = { url: string; stop(): Promise<void> };

const bodyBytesMax = 16 * 1024 * 1024;

export async function startDemoModels(port: number): Promise<DemoModels> {
  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    serve(request, response, gone.signal).catch(() => response.destroy());
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  // A port was listened on a line ago, so it is no pipe.
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}/v1`,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
}

async function serve(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://demo');
  if (request.method === 'GET' && pathname === '/v1/models')
    return send(response, 200, { object: 'list', data: [{ id: 'demo', object: 'model', owned_by: 'demo' }] });
  if (pathname.startsWith('/tools/'))
    return send(response, 200, await echo(request, pathname.slice('/tools'.length)));
  if (request.method !== 'POST' || pathname !== '/v1/chat/completions')
    return sendFault(
      response,
      404,
      'not_found',
      'The demo server offers POST /v1/chat/completions and everything below /tools/.',
    );
  const body = await read(request);
  const asked = chatRequest.safeParse(body);
  if (!asked.success)
    return sendFault(response, 400, 'invalid_request', 'This is no request for a chat completion.');
  if (asked.data.model !== 'demo')
    return sendFault(response, 404, 'model_not_found', 'The demo server has one model: demo.');
  await complete(asked.data, response, signal);
}

async function echo(request: IncomingMessage, path: string) {
  const { method, headers } = request;
  return {
    method,
    path,
    idempotencyKey: headers['idempotency-key'] ?? null,
    body: (await read(request)) ?? null,
  };
}

async function complete(asked: ChatRequest, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const answer = answerOf(asked);
  await wait(answer.waitMs, signal);
  if (answer.status >= 400)
    return sendFault(response, answer.status, 'asked_for', 'The demo server was told to fail.');
  if (asked.stream) return stream(answer, response, signal);
  const message = { role: 'assistant', content: answer.text || null, ...toolCalls(answer) };
  const choices = [{ index: 0, message, finish_reason: finishOf(answer) }];
  send(response, 200, { ...envelope('chat.completion'), choices, usage: answer.usage });
}

async function stream(answer: DemoAnswer, response: ServerResponse, signal: AbortSignal): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
  const say = (delta: object, more: object = {}) =>
    response.write(
      `data: ${JSON.stringify({ ...envelope('chat.completion.chunk'), choices: [{ index: 0, delta, finish_reason: null }], ...more })}\n\n`,
    );
  say({ role: 'assistant', content: '', ...toolCalls(answer) });
  for (const piece of answer.text.match(/\S+\s*|\s+/g) ?? []) {
    await wait(answer.paceMs, signal);
    say({ content: piece });
  }
  say({}, { choices: [{ index: 0, delta: {}, finish_reason: finishOf(answer) }] });
  say({}, { choices: [], usage: answer.usage });
  response.end('data: [DONE]\n\n');
}

const finishOf = ({ call, cut }: DemoAnswer) => (call ? 'tool_calls' : cut ? 'length' : 'stop');
const envelope = (object: string) => ({ id: 'demo', object, created: 0, model: 'demo' });

function toolCalls({ call }: DemoAnswer) {
  if (!call) return {};
  const { id, name, input } = call;
  return { tool_calls: [{ index: 0, id, type: 'function', function: { name, arguments: input } }] };
}

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error('more than a conversation holds');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function sendFault(response: ServerResponse, status: number, code: string, message: string): void {
  send(response, status, { error: { message, type: 'demo', code, param: null } });
}
