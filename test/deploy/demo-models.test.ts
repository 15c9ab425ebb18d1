import assert from 'node:assert/strict';
import { type DemoModels, startDemoModels } from '../../deploy/embedded/demo-models.ts';

type Completion = {
  choices: {
    message: {
      content: string | null;
      tool_calls?: { id: string; function: { name: string; arguments: string } }[];
    };
    finish_reason: string;
  }[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
};
type Message = { role: string; content: string; tool_call_id?: string };

describe('the demo model server', () => {
  let demo: DemoModels;
  before(async () => {
    demo = await startDemoModels(0);
  });
  after(() => demo.stop());

  const post = (body: object) =>
    fetch(`${demo.url}/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
  const ask = async (content: string | Message[], more: object = {}): Promise<Completion> => {
    const messages = typeof content === 'string' ? [{ role: 'user', content }] : content;
    const response = await post({ model: 'demo', messages, ...more });
    assert.equal(response.status, 200);
    return (await response.json()) as Completion; // asserted field by field below
  };
  const textOf = ({ choices: [choice] }: Completion) => choice?.message.content;
  const tools = ['look_up', 'send'].map((name) => ({ type: 'function', function: { name, parameters: {} } }));

  it('R6.1 answers the same question with the same answer, and says what it is', async () => {
    const [one, two] = [await ask('Good morning'), await ask('Good morning')];
    assert.deepEqual(one, two);
    assert.equal(textOf(one), 'The demo server was told: Good morning');
    assert.deepEqual(one.usage, { prompt_tokens: 3, completion_tokens: 10, total_tokens: 13 });
  });

  it('R6.1 says and waits as its lines tell it to', async () => {
    const started = performance.now();
    assert.equal(textOf(await ask('Hello\nwait: 200ms\nsay: Exactly this')), 'Exactly this');
    assert.ok(performance.now() - started >= 190);
    assert.equal(
      (await post({ model: 'demo', messages: [{ role: 'user', content: 'fail: 503' }] })).status,
      503,
    );
  });

  it('R6.1 calls tools one after the other, as far as it was given them, then answers', async () => {
    const asked: Message[] = [
      { role: 'system', content: 'call: look_up {"word":"tea"}' },
      { role: 'user', content: 'Please.\ncall: send {"to":"all"}\ncall: unknown {}' },
    ];
    const first = await ask(asked, { tools });
    const [call] = first.choices[0]?.message.tool_calls ?? [];
    assert.deepEqual(call, {
      index: 0,
      id: 'call_1',
      type: 'function',
      function: { name: 'look_up', arguments: '{"word":"tea"}' },
    });
    assert.equal(first.choices[0]?.finish_reason, 'tool_calls');
    asked.push({ role: 'tool', tool_call_id: 'call_1', content: 'a drink' });
    const second = await ask(asked, { tools });
    assert.equal(second.choices[0]?.message.tool_calls?.[0]?.function.name, 'send');
    assert.equal(second.choices[0]?.message.tool_calls?.[0]?.id, 'call_2');
    asked.push({ role: 'tool', tool_call_id: 'call_2', content: 'sent' });
    const last = await ask(asked, { tools });
    assert.equal(
      textOf(last),
      'The demo server was told: Please.\nA tool answered: a drink\nA tool answered: sent',
    );
  });

  it('R6.1 makes JSON of the shape that is asked for', async () => {
    const schema = {
      type: 'object',
      properties: {
        city: { type: 'string' },
        people: { type: 'integer', minimum: 3 },
        kind: { enum: ['a', 'b'] },
        near: { type: 'array', items: { type: 'boolean' }, minItems: 2 },
      },
    };
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    assert.deepEqual(JSON.parse(textOf(await ask('Go', { response_format })) ?? ''), {
      city: 'demo',
      people: 3,
      kind: 'a',
      near: [true, true],
    });
    assert.equal(textOf(await ask('json: {"city":"Graz"}', { response_format })), '{"city":"Graz"}');
  });

  it('R6.1 streams word by word, and says at the end what it cost', async () => {
    const response = await post({
      model: 'demo',
      stream: true,
      messages: [{ role: 'user', content: 'say: one two three' }],
    });
    const events = (await response.text()).split('\n\n').filter(Boolean);
    assert.equal(events.at(-1), 'data: [DONE]');
    const pieces = events
      .slice(0, -1)
      .map((event) => JSON.parse(event.slice('data: '.length)))
      .flatMap(({ choices }) => choices[0]?.delta.content ?? []);
    assert.deepEqual(pieces, ['', 'one ', 'two ', 'three']);
    assert.match(events.at(-2) ?? '', /"total_tokens":/);
  });

  it('R6.1 knows one model, and refuses what is no request', async () => {
    const messages = [{ role: 'user', content: 'Hi' }];
    assert.equal((await post({ model: 'gpt-5', messages })).status, 404);
    assert.equal((await post({ model: 'demo', messages: [] })).status, 400);
    assert.equal((await fetch(`${demo.url}/chat/completions`, { method: 'POST', body: '{' })).status, 400);
    assert.equal((await fetch(`${demo.url}/embeddings`, { method: 'POST', body: '{}' })).status, 404);
  });

  it('R6.2 answers as a tool what it was sent, with the key that tells two attempts from two calls', async () => {
    const sent = await fetch(new URL('/tools/orders/7/notes', demo.url), {
      method: 'POST',
      headers: { 'Idempotency-Key': 'run_1/note' },
      body: '{"text":"shipped"}',
    });
    assert.deepEqual(await sent.json(), {
      method: 'POST',
      path: '/orders/7/notes',
      idempotencyKey: 'run_1/note',
      body: { text: 'shipped' },
    });
    const asked = await (await fetch(new URL('/tools/health', demo.url))).json();
    assert.deepEqual(asked, { method: 'GET', path: '/health', idempotencyKey: null, body: null });
  });
});
