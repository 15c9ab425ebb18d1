import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { newId, schemaOf } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { startRun } from '../../temporal/runs.ts';
import { asked } from '../support/catalogue.ts';
import type { Caller } from '../support/client.ts';
import { type KeyHolder, keyHolder, placed, useSharedModels } from '../support/people.ts';
import {
  type Equipped,
  equip,
  makeAgent,
  makeWorkflow,
  type Outside,
  startOutside,
} from '../support/run-world.ts';
import { type Member, member } from '../support/tenants.ts';

type Run = {
  id: string;
  state: string;
  round: number;
  output: unknown;
  refusal: { code: string; detail: string } | null;
  used: { steps: number; inputTokens: number; outputTokens: number };
  steps: { path: string; kind: string; state: string; output?: unknown; attempts: number }[];
};

const over = ['succeeded', 'failed', 'refused', 'cancelled'];

describe('runs', () => {
  let acme: Member;
  let builder: KeyHolder;
  let outside: Outside;
  let tools: Equipped;
  before(async () => {
    useSharedModels();
    [acme, outside] = await Promise.all([member(), startOutside()]);
    builder = await keyHolder(acme.tenant.id, 'builder');
    tools = await equip(acme.tenant.id, outside, builder.id);
  });
  after(() => outside.stop());
  beforeEach(() => {
    outside.before.act = () => undefined;
  });

  const start = async (body: object, as: Caller = builder): Promise<Run> => {
    const reply = await as.call<Run>('POST', '/v1/runs', body);
    assert.equal(reply.status, 202, reply.text);
    assert.equal(reply.headers.location, `/v1/runs/${reply.body.id}`);
    return reply.body;
  };
  const read = async ({ id }: Pick<Run, 'id'>): Promise<Run> =>
    (await acme.call<Run>('GET', `/v1/runs/${id}`)).body;
  const reaches = async (run: Pick<Run, 'id'>, ...states: string[]): Promise<Run> => {
    for (const deadline = Date.now() + 20_000; ; await pause(50)) {
      const now = await read(run);
      if (states.includes(now.state)) return now;
      assert.ok(Date.now() < deadline, `still ${JSON.stringify(now)}`);
      assert.ok(!over.includes(now.state), JSON.stringify(now));
    }
  };
  const ended = (run: Pick<Run, 'id'>) => reaches(run, ...over);
  const tool = (id: string, more: object = {}) => ({
    id,
    kind: 'tool',
    integrationId: tools.integrationId,
    method: 'POST',
    path: `/${id}`,
    ...more,
  });
  const workflow = (steps: object[], more: object = {}) => makeWorkflow(acme.tenant.id, { steps, ...more });

  it('R2.3 carry a workflow out: tools, conditions, maps, loops, sub-workflows, each step once', async () => {
    const inner = await workflow([tool('inner', { body: { n: '{{ input.n }}' } })], {
      output: { inner: '{{ steps.inner.output.body.got.n }}' },
    });
    const workflowId = await workflow(
      [
        tool('first', { body: { text: 'Hello {{ input.name }}' } }),
        { id: 'big', kind: 'condition', after: ['first'], if: 'size(input.items) > 1' },
        tool('never', { after: ['big'], when: '!steps.big.output' }),
        tool('behind', { after: ['never'] }),
        {
          id: 'each',
          kind: 'map',
          after: ['big'],
          when: 'steps.big.output',
          over: 'input.items',
          concurrency: 2,
          steps: [tool('send', { body: { item: '{{ item }}', index: '{{ index }}' } })],
        },
        {
          id: 'again',
          kind: 'loop',
          after: ['each'],
          until: 'index >= 2',
          maxIterations: 5,
          steps: [tool('poll')],
        },
        {
          id: 'sub',
          kind: 'workflow',
          workflowId: inner,
          after: ['again'],
          input: { n: '{{ size(input.items) }}' },
        },
      ],
      {
        output: {
          hello: '{{ steps.first.output.body.got.text }}',
          items: '{{ steps.each.output.map(o, o.body.got.item) }}',
          sub: '{{ steps.sub.output.inner }}',
        },
      },
    );
    const run = await start({
      workflowId,
      input: { name: 'Ada', items: ['a', 'b', 'c'] },
      labels: { team: 'north' },
    });
    const done = await ended(run);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    assert.deepEqual(done.output, { hello: 'Hello Ada', items: ['a', 'b', 'c'], sub: 3 });
    const mine = [...outside.effects.values()].filter((effect) => effect.key.startsWith(run.id));
    assert.equal(mine.length, 1 + 3 + 3 + 1);
    assert.ok(mine.every((effect) => effect.times === 1));
    assert.equal(done.used.steps, 8);
    const skipped = done.steps.filter(({ state }) => state === 'skipped').map(({ path }) => path);
    assert.deepEqual(skipped, ['behind', 'never']);
    const { body } = await acme.call<{ items: { kind: string; path: string | null }[] }>(
      'GET',
      `/v1/runs/${run.id}/events`,
    );
    const told = body.items.filter(({ kind }) => kind === 'step.skipped').map(({ path }) => path);
    assert.deepEqual(told, ['never', 'behind']);
  });

  it('R2.3 skip at once what comes after skipped steps in however many ways', async () => {
    const layer = (at: number) =>
      ['a', 'b'].map((side) => ({
        ...{ id: `${side}${at}`, kind: 'condition', if: 'true' },
        after: at === 0 ? ['root'] : [`a${at - 1}`, `b${at - 1}`],
      }));
    const root = { id: 'root', kind: 'condition', if: 'true', when: 'false' };
    const workflowId = await workflow([root, ...Array.from({ length: 40 }, (_, at) => layer(at)).flat()]);
    const done = await ended(await start({ workflowId }));
    assert.equal(done.state, 'succeeded');
    assert.equal(done.steps.filter(({ state }) => state === 'skipped').length, 81);
  });

  it('R2.3 carry out an agent: turns of its model, tools, hand-off to another agent', async () => {
    const helper = await makeAgent(acme.tenant.id, { instructions: 'say: the helper says hi' });
    const agentId = await makeAgent(acme.tenant.id, {
      instructions: 'call: look_up {"word":"x/y"}\ncall: ask {"prompt":"help"}',
      tools: [
        {
          kind: 'integration',
          name: 'look_up',
          description: 'Look up',
          integrationId: tools.integrationId,
          method: 'POST',
          path: '/words/{word}',
          inputSchema: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] },
        },
        { kind: 'hand-off', name: 'ask', description: 'Ask', agentId: helper },
      ],
    });
    const done = await ended(await start({ agentId, input: { prompt: 'say: all done' } }));
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    assert.deepEqual(done.steps.map((step) => step.path).toSorted(), [
      'agent',
      'agent#1',
      'agent#1.0',
      'agent#2',
      'agent#2.0',
      'agent#2.0#1',
      'agent#3',
    ]);
    assert.ok(done.used.inputTokens > 0 && done.used.outputTokens > 0);
    assert.ok([...outside.effects.values()].some((effect) => effect.url === '/words/x%2Fy'));
  });

  it('R2.3 wait for people of a role, and do what they say', async () => {
    const steps = [
      tool('before'),
      { id: 'ask', kind: 'approval', after: ['before'], role: 'admin', question: 'Send to {{ input.to }}?' },
      tool('after', { after: ['ask'], body: { by: '{{ steps.ask.output.comment }}' } }),
    ];
    const workflowId = await workflow(steps);
    const [run, other] = [
      await start({ workflowId, input: { to: 'x' } }),
      await start({ workflowId, input: { to: 'y' } }),
    ];
    await reaches(run, 'waiting');
    const path = `/v1/runs/${run.id}/approvals`;
    const asked = await acme.call<{ items: { path: string; question: string }[] }>('GET', path);
    assert.equal(asked.body.items[0]?.question, 'Send to x?');
    const byBuilder = await builder.call('POST', `${path}/ask`, { verdict: 'approved' });
    assert.equal(byBuilder.status, 403, byBuilder.text);
    const admin = await keyHolder(acme.tenant.id, 'admin');
    const answered = await admin.call('POST', `${path}/ask`, { verdict: 'approved', comment: 'fine' });
    assert.equal(answered.status, 200, answered.text);
    const done = await ended(run);
    assert.deepEqual(done.state, 'succeeded', JSON.stringify(done));
    assert.equal((await admin.call('POST', `${path}/ask`, { verdict: 'rejected' })).status, 409);
    await reaches(other, 'waiting');
    const no = { verdict: 'rejected', comment: 'no' };
    assert.equal((await admin.call('POST', `/v1/runs/${other.id}/approvals/ask`, no)).status, 200);
    const refused = await ended(other);
    assert.equal(refused.state, 'refused');
    assert.equal(refused.refusal?.code, 'rejected');
  });

  it('R2.3 pause between two steps, go on, stop, and can be retried from where they failed or from a step', async () => {
    const workflowId = await workflow([
      tool('one'),
      tool('two', { after: ['one'], retry: { attempts: 2, firstDelaySeconds: 0.1 } }),
      tool('three', { after: ['two'] }),
    ]);
    let gate = Promise.withResolvers<number>();
    outside.before.act = ({ url }) => (url === '/one' ? gate.promise : url === '/two' ? 503 : undefined);
    const run = await start({ workflowId });
    const asks = (what: string, body?: object) => acme.call('POST', `/v1/runs/${run.id}/${what}`, body);
    await reaches(run, 'running');
    assert.equal((await asks('pause')).status, 202);
    gate.resolve(200);
    await reaches(run, 'paused');
    assert.equal((await asks('retries')).status, 409);
    assert.equal((await asks('resume')).status, 202);
    const failed = await ended(run);
    assert.equal(failed.state, 'failed', JSON.stringify(failed));
    outside.before.act = () => undefined;
    assert.equal((await asks('retries')).status, 202);
    const done = await reaches(run, 'succeeded');
    assert.equal(done.round, 2);
    const timesOf = (url: string) =>
      [...outside.effects.values()].filter((effect) => effect.url === url && effect.key.startsWith(run.id));
    assert.deepEqual(
      timesOf('/one').map(({ times }) => times),
      [1],
    );
    assert.equal((await asks('retries', { from: 'two' })).status, 202);
    await pause(100);
    await reaches(run, 'succeeded');
    assert.equal(timesOf('/one').length, 1);
    assert.equal(timesOf('/two').length, 2);
    assert.equal((await asks('retries', { from: 'nothing' })).status, 422);
    gate = Promise.withResolvers<number>();
    outside.before.act = ({ url }) => (url === '/one' ? gate.promise : undefined);
    const stopped = await start({ workflowId });
    await reaches(stopped, 'running');
    assert.equal((await acme.call('POST', `/v1/runs/${stopped.id}/cancellation`)).status, 202);
    assert.equal((await ended(stopped)).state, 'cancelled');
    gate.resolve(200);
    assert.equal((await acme.call('POST', `/v1/runs/${stopped.id}/cancellation`)).status, 409);
  });

  it('R2.3 carry out a round whose workflow is there before its transaction commits, or after one that did not', async () => {
    const workflowId = await workflow([tool('one')]);
    const run = await ended(await start({ workflowId }));
    const region = (await placeOf(acme.tenant.id))?.region ?? '';
    const principal = { kind: 'api-key', id: builder.id, tenantId: acme.tenant.id } as const;
    const which = { tenantId: acme.tenant.id, region, runId: run.id };
    await startRun({ ...which, round: 2, principal, weight: 1 });
    await pause(1_500);
    // The transaction that asked for it was rolled back; its workflow waits, and another asks again.
    await startRun({ ...which, round: 2, principal, weight: 1 });
    await pause(1_500);
    await asked(
      `UPDATE ${schemaOf(acme.tenant.id)}.runs SET state = 'queued', round = 2, ended_at = NULL WHERE id = $1`,
      [run.id],
    );
    assert.deepEqual([(await ended(run)).state, (await read(run)).round], ['succeeded', 2]);
  }).timeout(60_000);

  it('R2.3 end with a refusal that names the limit they reached', async () => {
    const workflowId = await workflow([tool('one'), tool('two', { after: ['one'] })]);
    const few = await ended(await start({ workflowId, limits: { steps: 1 } }));
    assert.deepEqual([few.state, few.refusal?.code], ['refused', 'limit-steps']);
    assert.match(few.refusal?.detail ?? '', /may take 1 steps/);
    const agentId = await makeAgent(acme.tenant.id, { instructions: 'say: hi' });
    const loop = await workflow([
      {
        id: 'l',
        kind: 'loop',
        until: 'false',
        maxIterations: 9,
        steps: [{ id: 'a', kind: 'agent', agentId, prompt: 'hello there' }],
      },
    ]);
    const dear = await ended(await start({ workflowId: loop, limits: { tokens: 10 } }));
    assert.deepEqual([dear.state, dear.refusal?.code], ['refused', 'limit-tokens']);
  });

  it('R2.3 are started of one agent by its own address, and of one that is not there by none', async () => {
    const agentId = await makeAgent(acme.tenant.id, { instructions: 'say: hi' });
    const path = `/v1/agents/${agentId}/runs`;
    const body = { input: { prompt: 'hello' }, labels: { team: 'north' } };
    const reply = await builder.call<Run & { agentId: string; labels: object }>('POST', path, body);
    assert.equal(reply.status, 202, reply.text);
    assert.deepEqual([reply.body.agentId, reply.body.labels], [agentId, { team: 'north' }]);
    assert.equal((await ended(reply.body)).output, 'hi');
    assert.equal((await builder.call('POST', path, { input: {} })).status, 422);
    assert.equal((await builder.call('POST', path, { ...body, workflowId: 'x' })).status, 400);
    assert.equal(
      (await builder.call('POST', path, { ...body, version: 1, environment: 'draft' })).status,
      400,
    );
    const viewer = await keyHolder(acme.tenant.id, 'auditor');
    assert.equal((await viewer.call('POST', path, body)).status, 403);
    assert.equal((await builder.call('POST', `/v1/agents/${newId('agt')}/runs`, body)).status, 404);
    const globex = await member();
    assert.equal((await globex.call('POST', path, body)).status, 404);
  });

  it('R4.3 are not approved by whoever started them where a separation of duties names the role', async () => {
    const separation = { name: 'Ask and answer', roles: ['admin', 'billing'] };
    const made = await acme.call<{ id: string }>('POST', '/v1/duty-separations', separation);
    assert.equal(made.status, 201, made.text);
    const [starter, other, maker] = [
      await keyHolder(acme.tenant.id, 'admin'),
      await keyHolder(acme.tenant.id, 'admin'),
      await keyHolder(acme.tenant.id, 'admin'),
    ];
    const steps = [{ id: 'ask', kind: 'approval', role: 'admin', question: 'Go on?' }];
    const run = await start({ workflowId: await workflow(steps) }, starter);
    await reaches(run, 'waiting');
    const answer = (as: Caller) =>
      as.call<{ detail: string }>('POST', `/v1/runs/${run.id}/approvals/ask`, { verdict: 'approved' });
    const own = await answer(starter);
    assert.equal(own.status, 403, own.text);
    assert.match(own.body.detail, /Somebody else has to answer/);
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql('UPDATE api_keys SET created_by = $1 WHERE id = $2', [maker.id, starter.id]),
    );
    assert.equal((await answer(maker)).status, 403, 'whoever made the key that started it');
    assert.equal((await answer(other)).status, 200);
    assert.equal((await ended(run)).state, 'succeeded');
    assert.equal((await acme.call('DELETE', `/v1/duty-separations/${made.body.id}`)).status, 204);
  });

  it('R2.3 tell all faults of an input, and start nothing', async () => {
    const workflowId = await workflow([tool('one')], {
      inputSchema: { type: 'object', required: ['a'], properties: { b: { type: 'integer' } } },
    });
    const { status, body } = await builder.call<{ errors: { pointer: string }[] }>('POST', '/v1/runs', {
      workflowId,
      input: { b: 'x' },
    });
    assert.equal(status, 422);
    assert.deepEqual(body.errors.map(({ pointer }) => pointer).toSorted(), ['/input/a', '/input/b']);
  });
});
