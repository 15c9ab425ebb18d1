import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { newId } from '../../models/ids.ts';
import { type Reply, send } from '../support/client.ts';
import { within } from '../support/keys.ts';
import { type KeyHolder, keyHolder, signedInPerson, useSharedModels } from '../support/people.ts';
import { makeWorkflow } from '../support/run-world.ts';
import { type Member, sharedUrl, twoTenants } from '../support/tenants.ts';

type Trigger = {
  id: string;
  deliverTo: string;
  secret: string;
  secretHint: string;
  ownerId: string;
  version: number;
};
type Run = { id: string; state: string; input: unknown; output: unknown; ownerId: string; origin: object };
type Problem = { code: string; detail: string; errors?: { pointer: string }[] };
type Delivered = { runId: string; duplicate: boolean };
type Delivery = {
  messageId: string;
  outcome: string;
  runId: string | null;
  refusalCode: string | null;
  attempts: number;
};

const steps = [{ id: 'only', kind: 'condition', if: 'true' }];
const output = { said: '{{ input.said }}' };

describe('triggers', () => {
  let acme: Member;
  let globex: Member;
  let builder: KeyHolder;
  let workflowId: string;

  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    builder = await keyHolder(acme.tenant.id, 'builder');
    workflowId = await makeWorkflow(acme.tenant.id, { steps, output });
  });

  async function made(body: object = {}, as: KeyHolder = builder): Promise<Trigger> {
    const reply = await as.call<Trigger>('POST', '/v1/triggers', { name: 'Orders', workflowId, ...body });
    assert.equal(reply.status, 201, reply.text);
    return reply.body;
  }

  type Message = { id?: string; at?: Date; body?: string; secret?: string; to?: string; headers?: object };
  async function sent<T = Delivered>(trigger: Trigger, message: Message = {}): Promise<Reply<T>> {
    const {
      id = newId('evt'),
      at = new Date(),
      body = '{"said":"hello"}',
      secret = trigger.secret,
    } = message;
    const signature = new Webhook(secret).sign(id, at, body);
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': signature,
      ...message.headers,
    };
    const path = message.to ?? new URL(trigger.deliverTo).pathname;
    return send<T>(sharedUrl(), 'POST', path, body, headers);
  }

  async function ended(runId: string): Promise<Run> {
    for (const deadline = Date.now() + 20_000; ; await pause(50)) {
      const { body } = await acme.call<Run>('GET', `/v1/runs/${runId}`);
      if (['succeeded', 'failed', 'refused', 'cancelled'].includes(body.state)) return body;
      assert.ok(Date.now() < deadline, JSON.stringify(body));
    }
  }

  const deliveries = async ({ id }: Trigger): Promise<Delivery[]> =>
    (await acme.call<{ items: Delivery[] }>('GET', `/v1/triggers/${id}/deliveries`)).body.items;

  it('R6.4 start a run by a signed message, in their owner’s name, with the message as its input', async () => {
    const trigger = await made();
    const reply = await sent(trigger);
    assert.equal(reply.status, 202, reply.text);
    const run = await ended(reply.body.runId);
    assert.equal(run.state, 'succeeded', JSON.stringify(run));
    assert.deepEqual([run.input, run.output], [{ said: 'hello' }, { said: 'hello' }]);
    assert.equal(run.ownerId, builder.id);
    assert.deepEqual(run.origin, { kind: 'trigger', id: trigger.id });
  });

  it('R6.4 make the input by a mapping, and say of one that cannot be read where', async () => {
    const input = { said: 'from {{ body.who.name }}', id: '{{ message.id }}', n: '{{ body.n + 1 }}' };
    const trigger = await made({ input });
    const reply = await sent(trigger, { id: 'm-1', body: '{"who":{"name":"Ada"},"n":1}' });
    const run = await ended(reply.body.runId);
    assert.deepEqual(run.input, { said: 'from Ada', id: 'm-1', n: 2 });
    const bad = { name: 'x', workflowId, input: { a: { b: '{{ 1 + }}' } } };
    const refused = await builder.call<Problem>('POST', '/v1/triggers', bad);
    assert.equal(refused.status, 400);
    assert.deepEqual(
      refused.body.errors?.map(({ pointer }) => pointer),
      ['/input/a/b'],
    );
  });

  it('R6.4 take each message once, however often and however many at a time it comes', async () => {
    const trigger = await made();
    const replies = await Promise.all(Array.from({ length: 12 }, () => sent(trigger, { id: 'again' })));
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [202]);
    assert.equal(new Set(replies.map(({ body }) => body.runId)).size, 1);
    assert.equal(replies.filter(({ body }) => !body.duplicate).length, 1);
    const later = await sent(trigger, { id: 'again', body: '{"said":"something else"}' });
    assert.deepEqual(later.body, { runId: replies[0]?.body.runId, duplicate: true });
    const [delivery, ...others] = await deliveries(trigger);
    assert.equal(others.length, 0);
    assert.deepEqual([delivery?.messageId, delivery?.outcome, delivery?.attempts], ['again', 'started', 13]);
  });

  it('R6.4 answer the same to what is unknown, unsigned, wrongly signed, changed and stale', async () => {
    const trigger = await made();
    const other = await made();
    const path = new URL(trigger.deliverTo).pathname;
    const foreign = path.replace(acme.tenant.id.slice(4), globex.tenant.id.slice(4));
    const nobody = path.replace(acme.tenant.id.slice(4), newId('ten').slice(4));
    const nothing = path.replace(trigger.id.slice(4), newId('trg').slice(4));
    const minutes = (count: number) => new Date(Date.now() + count * 60_000);
    const tries: Record<string, Message> = {
      'another tenant': { to: foreign },
      'no tenant': { to: nobody },
      'no trigger': { to: nothing },
      'an id without its tenant': { to: `/v1/triggers/${trigger.id}/deliveries` },
      'another trigger’s secret': { secret: other.secret },
      'too old': { at: minutes(-6) },
      'too new': { at: minutes(6) },
      'no signature': { headers: { 'webhook-signature': '' } },
      'another version of signature': { headers: { 'webhook-signature': 'v2,abc' } },
      'another id': { headers: { 'webhook-id': 'other' } },
      'another time': { headers: { 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 1) } },
      'no time': { headers: { 'webhook-timestamp': 'soon' } },
    };
    const answers = new Set<string>();
    for (const [what, message] of Object.entries(tries)) {
      const reply = await sent<Problem>(trigger, {
        ...message,
        headers: { 'x-request-id': 'the-same-request', ...message.headers },
      });
      assert.equal(reply.status, 401, `${what}: ${reply.text}`);
      answers.add(reply.text);
    }
    assert.equal(answers.size, 1);
    assert.deepEqual(await deliveries(trigger), []);
  });

  it('R6.4 take as long to refuse where there is a trigger as where there is none', async () => {
    const trigger = await made();
    const path = new URL(trigger.deliverTo).pathname;
    const nowhere = path.replace(trigger.id.slice(4), newId('trg').slice(4));
    const took: Record<string, number[]> = { [path]: [], [nowhere]: [] };
    for (let round = 0; round < 120; round++) {
      for (const to of [path, nowhere]) {
        const since = performance.now();
        await sent(trigger, { to, headers: { 'webhook-signature': 'v1,bm8=' } });
        took[to]?.push(performance.now() - since);
      }
    }
    const median = (all: number[] = []) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
    const [there, not] = [median(took[path]), median(took[nowhere])];
    assert.ok(Math.abs(there - not) < Math.max(1.5, 0.35 * there), `${there} ms and ${not} ms`);
  });

  it('R6.4 show their secret once, and both secrets count while one is exchanged', async () => {
    const trigger = await made();
    assert.match(trigger.secret, /^whsec_/);
    const read = await acme.call('GET', `/v1/triggers/${trigger.id}`);
    assert.ok(!read.text.includes(trigger.secret));
    const path = `/v1/triggers/${trigger.id}/rotation`;
    const { body: exchanged } = await builder.call<Trigger>('POST', path, { overlapSeconds: 60 });
    assert.equal((await sent(trigger, { secret: trigger.secret })).status, 202);
    assert.equal((await sent(trigger, { secret: exchanged.secret })).status, 202);
    const { body: last } = await builder.call<Trigger>('POST', path, { overlapSeconds: 0 });
    assert.equal((await sent(trigger, { secret: exchanged.secret })).status, 401);
    assert.equal((await sent(trigger, { secret: last.secret })).status, 202);
    const trail = await acme.call('GET', `/v1/audit-events?subjectType=Trigger&limit=10`);
    for (const { secret } of [trigger, exchanged, last]) assert.ok(!trail.text.includes(secret));
    const kept = await within(acme.tenant.id, (sql) => sql('SELECT * FROM triggers'));
    assert.ok(!JSON.stringify(kept).includes(trigger.secret.slice(6)));
  });

  it('R6.4 act for whoever last said what they start or took their secret, and never for somebody else', async () => {
    const trigger = await made();
    assert.equal(trigger.ownerId, builder.id);
    const path = `/v1/triggers/${trigger.id}`;
    const me = (await acme.call<{ id: string }>('GET', '/v1/me')).body.id;
    const renamed = await acme.call<Trigger>('PATCH', path, { name: 'Renamed' });
    assert.equal(renamed.body.ownerId, builder.id);
    const changed = await acme.call<Trigger>('PATCH', path, { input: { said: 'by me' } });
    assert.equal(changed.body.ownerId, me);
    const another = await made();
    const taken = await acme.call<Trigger>('POST', `/v1/triggers/${another.id}/rotation`, {});
    assert.equal(taken.body.ownerId, me);
  });

  it('R2.3 start nothing for an owner who may not any more, and take the message once they may again', async () => {
    const person = await signedInPerson(acme.tenant.id, 'builder');
    const trigger = await made({}, person);
    await acme.call('POST', `/v1/users/${person.id}/deactivation`);
    const refused = await sent<Problem>(trigger, { id: 'm' });
    assert.equal(refused.status, 409, refused.text);
    assert.match(refused.body.detail, /deliveries of the trigger say why/);
    assert.deepEqual(
      (await deliveries(trigger)).map(({ outcome, refusalCode }) => [outcome, refusalCode]),
      [['refused', 'forbidden']],
    );
    await acme.call('POST', `/v1/users/${person.id}/reactivation`);
    const again = await sent(trigger, { id: 'm' });
    assert.equal(again.status, 202, again.text);
    assert.deepEqual(again.body.duplicate, false);
    assert.deepEqual(
      (await deliveries(trigger)).map(({ outcome, attempts }) => [outcome, attempts]),
      [['started', 2]],
    );
  });

  it('R6.4 take nothing while they are paused, and nothing once they are gone', async () => {
    const trigger = await made();
    await builder.call('PATCH', `/v1/triggers/${trigger.id}`, { state: 'paused' });
    assert.equal((await sent(trigger)).status, 409);
    await builder.call('PATCH', `/v1/triggers/${trigger.id}`, { state: 'active' });
    assert.equal((await sent(trigger)).status, 202);
    assert.equal((await builder.call('DELETE', `/v1/triggers/${trigger.id}`)).status, 204);
    assert.equal((await sent(trigger)).status, 401);
  });

  it('R6.4 refuse a message that is too large or no JSON, whoever signed it', async () => {
    const trigger = await made();
    const large = await sent(trigger, { body: JSON.stringify({ said: 'x'.repeat(300_000) }) });
    assert.equal(large.status, 413);
    assert.equal((await sent(trigger, { body: 'said=hello' })).status, 400);
  });

  it('R6.4 take no more than their rate, each for itself', async function () {
    this.timeout(60_000);
    const [busy, calm] = [await made({ state: undefined }), await made()];
    const statuses: number[] = [];
    for (let round = 0; round < 310; round++) statuses.push((await sent(busy, { id: 'one' })).status);
    assert.equal(statuses.filter((status) => status === 202).length, 300);
    assert.ok(statuses.slice(300).every((status) => status === 429));
    assert.equal((await sent(calm)).status, 202);
  });

  it('R2.3 are not there for another organisation', async () => {
    const trigger = await made();
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/deliveries'],
      ['DELETE', ''],
      ['POST', '/rotation'],
    ] as const) {
      const body = method === 'POST' ? {} : undefined;
      assert.equal((await globex.call(method, `/v1/triggers/${trigger.id}${path}`, body)).status, 404);
    }
    const theirs = await globex.call<Problem>('POST', '/v1/triggers', { name: 'x', workflowId });
    assert.equal(theirs.status, 422, theirs.text);
  });
});
