import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { WorkflowClient } from '@temporalio/client';
import { config } from '../../models/databases.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { searchMemory } from '../../models/tenant/memory-search.ts';
import { temporal } from '../../temporal/client.ts';
import { temporalNamespaceOf } from '../../temporal/run-namespace.ts';
import { nudgeRun } from '../../temporal/runs.ts';
import { runWorkflowId } from '../../workflows/run-registry.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner, until } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, providerAt, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** How runs come to their ends: by limits, by people who do not answer, by what their models do, and how long ones go on. */
describe('the ends of runs', () => {
  let stage: Stage;
  let outside: Outside;
  let models: ModelServer;
  let by: Runner;
  let faulty: string;
  before(async () => {
    [stage, outside, models] = await Promise.all([setStage(), startOutside(), startModelServer()]);
    by = await runner(stage.principal, outside);
    const place = await placed(by.tenantId);
    faulty = await inTenant(place, (tenant) => providerAt(tenant, models.url, by.principal.id));
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
    await models.stop();
  });

  const within = async (text: string, values: unknown[]) =>
    inTenant(await placed(by.tenantId), ({ sql }) => sql<Record<string, unknown>>(text, values));
  const tool = (id: string, more: object = {}) => ({
    id,
    kind: 'tool',
    integrationId: by.integrationId,
    method: 'POST',
    path: `/${id}`,
    ...more,
  });
  const approval = (more: object = {}) => ({
    id: 'ask',
    kind: 'approval',
    role: 'owner',
    question: 'Go on?',
    ...more,
  });
  const run = async (steps: object[], input: Record<string, unknown> = {}) => {
    await stage.work();
    return begun(by, { workflowId: await makeWorkflow(by.tenantId, { steps }) }, input);
  };
  /** Begun while nobody works, so that its limit can be one no person could ask for. */
  const runWithin = async (limit: string, value: number, steps: object[]) => {
    await stage.rest();
    const runId = await begun(by, { workflowId: await makeWorkflow(by.tenantId, { steps }) });
    await within('UPDATE runs SET limits = jsonb_set(limits, $2::text[], $3::jsonb) WHERE id = $1', [
      runId,
      `{${limit}}`,
      String(value),
    ]);
    await stage.work();
    return runId;
  };

  it('R2.3 is refused when it has worked for as many minutes as it may, and says so', async () => {
    outside.before.act = ({ url }) => (url === '/slow' ? pause(30_000, 200, { ref: false }) : undefined);
    const one = await ended(by, await runWithin('minutes', 0.03, [tool('slow')]));
    assert.deepEqual([one.state, one.row.refusal_code], ['refused', 'limit-minutes']);
    assert.match(String(one.refusal), /worked for as many minutes/);
  });

  it('R2.3 is not refused for the time it waits for people', async () => {
    const runId = await runWithin('minutes', 0.05, [approval()]);
    await until(by, runId, ({ state }) => state === 'waiting');
    await pause(4_000);
    await within("UPDATE run_approvals SET state = 'approved', answered_at = now() WHERE run_id = $1", [
      runId,
    ]);
    await nudgeRun({ tenantId: by.tenantId, region: 'eu', runId });
    assert.equal((await ended(by, runId)).state, 'succeeded');
  });

  it('R2.3 is refused when workflows are deeper in one another than they may be', async () => {
    const inner = await makeWorkflow(by.tenantId, { steps: [tool('deep')] });
    const middle = await makeWorkflow(by.tenantId, {
      steps: [{ id: 'in', kind: 'workflow', workflowId: inner }],
    });
    const one = await ended(
      by,
      await runWithin('depth', 2, [{ id: 'in', kind: 'workflow', workflowId: middle }]),
    );
    assert.deepEqual(
      [one.state, one.row.refusal_code],
      ['refused', 'limit-depth'],
      JSON.stringify(one.steps),
    );
    assert.match(String(one.refusal), /2 deep in one another/);
  });

  it('R2.3 is refused when an agent hands over to itself without end', async () => {
    const agentId = await makeAgent(by.tenantId, {
      instructions: 'call: again {"prompt":"again"}',
      providerId: by.providerId,
    });
    const definition = {
      instructions: 'call: again {"prompt":"again"}',
      providerId: by.providerId,
      tools: [{ kind: 'hand-off', name: 'again', description: 'Again', agentId }],
    };
    const self = await makeAgent(by.tenantId, definition, agentId);
    await stage.work();
    const one = await ended(by, await begun(by, { agentId: self }, { prompt: 'begin' }));
    assert.deepEqual(
      [one.state, one.row.refusal_code],
      ['refused', 'limit-depth'],
      JSON.stringify(one.steps),
    );
    assert.equal(
      one.steps.filter(({ kind }) => kind === 'turn').length,
      4,
      'as deep as it may, and no deeper',
    );
  });

  it('R2.3 is refused when nobody answers in time', async () => {
    const runId = await run([approval({ timeoutSeconds: 1 }), tool('after', { after: ['ask'] })]);
    const one = await ended(by, runId);
    assert.deepEqual([one.state, one.row.refusal_code], ['refused', 'expired']);
    assert.match(String(one.refusal), /Nobody answered in time/);
    assert.deepEqual(await within('SELECT state FROM run_approvals WHERE run_id = $1', [runId]), [
      { state: 'expired' },
    ]);
    assert.ok(![...outside.effects.keys()].some((key) => key.startsWith(runId)));
  });

  it('R2.3 remembers what an agent is told to, once, and has it before its model the next time', async () => {
    const memory = { recall: 'agent', items: 5 };
    const tools = [
      { kind: 'memory', name: 'note', access: 'write' },
      { kind: 'memory', name: 'look', access: 'read' },
    ];
    const agentId = await makeAgent(by.tenantId, {
      instructions: 'call: note {"text":"the sky is green"}\ncall: look {"query":"Greens"}',
      providerId: by.providerId,
      tools,
      memory,
    });
    await stage.work();
    const one = await ended(by, await begun(by, { agentId }, { prompt: 'say: noted' }));
    assert.equal(one.state, 'succeeded', JSON.stringify(one));
    const looked = one.steps.find(({ path }) => path === 'agent#2.0');
    assert.deepEqual(looked?.output, { memories: [{ role: 'note', text: 'the sky is green' }] });
    const place = await placed(by.tenantId);
    const keyring = await keyringOf(place);
    const found = await inTenant(place, ({ sql }) =>
      searchMemory(sql, keyring, { agentId, query: 'sky', limit: 10 }),
    );
    assert.equal(found.length, 1);
    await makeAgent(by.tenantId, { model: 'good', providerId: faulty, memory }, agentId);
    const two = await ended(by, await begun(by, { agentId }, { prompt: 'what do you know?' }));
    assert.equal(two.state, 'succeeded', JSON.stringify(two));
    assert.match(models.received.at(-1)?.text ?? '', /\(remembered: the sky is green\)/);
  });

  const modelRun = async (model: string, more: object = {}) => {
    const agentId = await makeAgent(by.tenantId, { model, providerId: faulty, memory: { recall: 'none' } });
    const retry = { attempts: 2, firstDelaySeconds: 0.1 };
    return run([{ id: 'ask', kind: 'agent', agentId, prompt: 'Hello', retry, ...more }]);
  };

  const faults: [model: string, code: string, asked: number, more?: object][] = [
    ['hang', 'timeout', 2, { timeoutSeconds: 1 }],
    ['status-500', 'failed', 2],
    ['half', 'failed', 2],
    ['rubbish', 'failed', 2],
    ['huge', 'failed', 2],
  ];
  for (const [model, code, asked, more] of faults)
    it(`R2.3 fails by a sentence of ours, after its attempts, when its model’s answer is: ${model}`, async () => {
      const before = models.received.length;
      const one = await ended(by, await modelRun(model, more));
      assert.deepEqual([one.state, one.row.refusal_code], ['failed', code], JSON.stringify(one.refusal));
      assert.match(String(one.refusal), /^ask: [A-Z][^{}<]{10,300}\.$/);
      assert.equal(models.received.length - before, asked);
      assert.equal(Number(one.row.tokens_input) + Number(one.row.tokens_output), 0);
    });

  for (const model of ['hang-once', 'status-500-once', 'half-once', 'rubbish-once', 'huge-once'])
    it(`R2.3 recovers by another attempt from: ${model}, its tokens counted once`, async () => {
      const one = await ended(by, await modelRun(model, { timeoutSeconds: 3 }));
      assert.equal(one.state, 'succeeded', JSON.stringify(one.refusal));
      assert.equal(one.output, 'Hello, world');
      assert.deepEqual([one.row.tokens_input, one.row.tokens_output].map(Number), [11, 7]);
      assert.equal(one.row.steps_used, 2, 'each attempt at a model is a step');
    });

  it('R2.3 goes on in a history of its own when one grows long, and loses nothing', async () => {
    const loop = {
      id: 'l',
      kind: 'loop',
      after: ['first'],
      until: 'index >= 219',
      maxIterations: 300,
      steps: [{ id: 'c', kind: 'condition', if: 'true' }],
    };
    const runId = await run([tool('first'), loop, tool('last', { after: ['l'] })]);
    const one = await ended(by, runId, 170);
    assert.equal(one.state, 'succeeded', JSON.stringify(one.refusal));
    assert.equal(one.steps.filter(({ kind }) => kind === 'condition').length, 220);
    const effects = [...outside.effects.values()].filter(({ key }) => key.startsWith(runId));
    assert.deepEqual(
      effects.map(({ url, times }) => [url, times]),
      [
        ['/first', 1],
        ['/last', 1],
      ],
    );
    const seqs = await within('SELECT seq::int AS seq FROM run_events WHERE run_id = $1 ORDER BY seq', [
      runId,
    ]);
    assert.ok(seqs.every(({ seq }, index) => seq === index + 1));
    const namespace = temporalNamespaceOf(config(), 'eu');
    const client = new WorkflowClient({ connection: temporal().connection, namespace });
    const { raw } = await client.getHandle(runWorkflowId(by.tenantId, runId)).describe();
    const { execution, firstRunId } = raw.workflowExecutionInfo ?? {};
    assert.notEqual(execution?.runId, firstRunId, 'it was continued as new');
  }).timeout(180_000);
});
