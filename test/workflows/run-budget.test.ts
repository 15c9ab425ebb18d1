import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunBudget } from '../../policies/run-budget.ts';
import { nudgeRun } from '../../temporal/runs.ts';
import { assertSettled, limitedBy, refused, standing } from '../support/limited.ts';
import { allCounted } from '../support/metered.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner, until } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** Runs that hold what they may use from their start to their end. */
describe('the budget of a run', () => {
  let stage: Stage;
  let outside: Outside;
  let by: Runner;
  let place: Place;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    await stage.work();
  });
  beforeEach(async () => {
    by = await runner(stage.principal, outside);
    place = await placed(by.tenantId);
    await limitedBy(place, { id: 'q', amount: 100_000 });
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const start = (target: { agentId: string } | { workflowId: string }, budget: RunBudget, input = {}) =>
    begun(by, target, input, 1, {}, budget);
  const approval = (more: object = {}) => ({
    ...{ id: 'ask', kind: 'approval', role: 'owner', question: 'Go on?', timeoutSeconds: 3_600 },
    ...more,
  });
  const tool = (id: string, more: object = {}) => ({
    ...{ id, kind: 'tool', integrationId: by.integrationId, method: 'POST', path: `/${id}` },
    ...more,
  });
  const waits = (runId: string) => until(by, runId, ({ state }) => state === 'waiting');
  const tokensOf = (row: Record<string, unknown>) => Number(row.tokens_input) + Number(row.tokens_output);
  const settled = (used: number) => assertSettled(place, 'q', used);
  const cancel = async (runId: string) => {
    await inTenant(place, ({ sql }) => sql("UPDATE runs SET wanted = 'cancelled' WHERE id = $1", [runId]));
    await nudgeRun({ tenantId: by.tenantId, region: 'eu', runId });
  };

  it('R5.2 is held whole from the start, and a start that it does not fit for is refused', async () => {
    const workflowId = await makeWorkflow(by.tenantId, { steps: [approval()] });
    const runId = await start({ workflowId }, { tokens: 70_000 });
    await waits(runId);
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 70_000 }]);
    const refusal = await refused(start({ workflowId }, { tokens: 30_001 }));
    assert.equal(refusal.code, 'quota-exceeded');
    assert.match(refusal.message, /no room for 30,001 tokens more: the limit is 100,000 tokens a month/);
    const runs = await inTenant(place, ({ sql }) => sql('SELECT id FROM runs'));
    assert.deepEqual(runs, [{ id: runId }]);
    await waits(await start({ workflowId }, { tokens: 30_000 }));
    const many = await Promise.allSettled([1, 2, 3].map(() => start({ workflowId }, { tokens: 1 })));
    for (const one of many)
      assert.ok(one.status === 'rejected' && one.reason instanceof Refusal, JSON.stringify(one));
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 0, reserved: 100_000 }]);
  });

  it('R5.2 is what agents, those they hand over to and sub-workflows take from, and from nothing else', async () => {
    const helperId = await makeAgent(by.tenantId, { instructions: 'say: helped' });
    const leaderId = await makeAgent(by.tenantId, {
      instructions: 'call: helper {"prompt":"help"}',
      tools: [{ kind: 'hand-off', name: 'helper', description: 'Helps', agentId: helperId }],
    });
    const inner = await makeWorkflow(by.tenantId, {
      steps: [{ id: 'inside', kind: 'agent', agentId: helperId, prompt: 'Go.' }],
    });
    const workflowId = await makeWorkflow(by.tenantId, {
      steps: [
        { id: 'lead', kind: 'agent', agentId: leaderId, prompt: 'Go.' },
        { id: 'sub', kind: 'workflow', workflowId: inner, after: ['lead'] },
        approval({ after: ['sub'] }),
      ],
    });
    const runId = await start({ workflowId }, { tokens: 100_000, steps: 20 });
    const { row } = await waits(runId);
    const used = tokensOf(row);
    assert.ok(used > 0);
    await allCounted(place);
    // Everything else that is left is still the run's, and nobody else's.
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used, reserved: 100_000 - used }]);
    await cancel(runId);
    const { state } = await ended(by, runId);
    assert.equal(state, 'cancelled');
    await settled(used);
  });

  it('R5.2 ends the run that has used it up with its name, before anything more is asked', async () => {
    const agentId = await makeAgent(by.tenantId, { instructions: 'say: hi' });
    const small = await ended(by, await start({ agentId }, { tokens: 100 }, { prompt: 'x' }));
    assert.deepEqual([small.state, small.row.refusal_code], ['refused', 'limit-budget']);
    assert.match(
      String(small.refusal),
      /The run’s budget of 100 tokens does not go further: 0 of them are used/,
    );
    await settled(0);
    const chain = [0, 1, 2, 3].map((at) => tool(`t${at}`, at > 0 ? { after: [`t${at - 1}`] } : {}));
    const workflowId = await makeWorkflow(by.tenantId, { steps: chain });
    const before = outside.effects.size;
    const stopped = await ended(by, await start({ workflowId }, { steps: 2 }));
    assert.deepEqual([stopped.state, stopped.row.refusal_code], ['refused', 'limit-budget']);
    assert.match(String(stopped.refusal), /t2: The run’s budget of 2 steps does not go further: 2 of them/);
    assert.match(String(stopped.refusal), /POST \/v1\/runs\/run_\w+\/retries with \{ "budget"/);
    assert.equal(outside.effects.size - before, 2);
    assert.equal((await ended(by, await start({ workflowId }, { steps: 4 }))).state, 'succeeded');
    await settled(0);
  });

  it('R5.2 is never passed, however many of its steps ask at once, and what each leaves the others may have', async () => {
    const agentId = await makeAgent(by.tenantId, {
      instructions: `say: ${'word '.repeat(400)}\nwait: 200ms`,
    });
    const ask = { id: 'ask', kind: 'agent', agentId, prompt: 'Go on.', onFailure: 'continue' };
    const each = {
      id: 'each',
      kind: 'map',
      over: '[1, 2, 3, 4, 5, 6, 7, 8]',
      concurrency: 8,
      onFailure: 'continue',
    };
    const workflowId = await makeWorkflow(by.tenantId, { steps: [{ ...each, steps: [ask] }] });
    const budget = 6_000;
    const { row, steps } = await ended(by, await start({ workflowId }, { tokens: budget }));
    const used = tokensOf(row);
    assert.ok(used > 0 && used <= budget, `${used} of ${budget}`);
    const answered = steps.filter(({ kind, state }) => kind === 'turn' && state === 'done');
    assert.ok(answered.length > 1, `${answered.length} answered`);
    await settled(used);
  }).timeout(90_000);

  it('R5.2 passes no limit of an agent that it holds nothing of', async () => {
    const agentId = await makeAgent(by.tenantId, { instructions: 'say: hi' });
    await limitedBy(place, { id: 'own', scope: 'agent', scopeId: agentId, amount: 200 });
    const workflowId = await makeWorkflow(by.tenantId, {
      steps: [{ id: 'ask', kind: 'agent', agentId, prompt: 'x'.repeat(400) }],
    });
    const { row, refusal } = await ended(by, await start({ workflowId }, { tokens: 50_000 }));
    assert.equal(row.refusal_code, 'limit-quota');
    assert.match(String(refusal), /the limit is 200 tokens a month for this agent/);
    await settled(0);
  });

  it('R5.2 gives its rest back however the run ends: failed, stopped, unanswered, or its worker killed', async () => {
    const failing = await makeWorkflow(by.tenantId, {
      steps: [tool('no', { retry: { attempts: 1 } })],
      output: {},
    });
    const asking = await makeWorkflow(by.tenantId, { steps: [approval({ timeoutSeconds: 1 })] });
    const agentId = await makeAgent(by.tenantId, { instructions: 'say: hi' });
    outside.before.act = async () => 500;
    const failed = await ended(by, await start({ workflowId: failing }, { tokens: 30_000, steps: 9 }));
    outside.before.act = async () => undefined;
    const expired = await ended(by, await start({ workflowId: asking }, { tokens: 30_000 }));
    assert.deepEqual([failed.state, expired.state], ['failed', 'refused']);
    await settled(0);
    await stage.rest();
    let runId = '';
    await stage.killedAt(new Map([[by.tenantId, 'takeTurn']]), async () => {
      runId = await start({ agentId }, { tokens: 30_000, steps: 9 }, { prompt: 'x' });
    });
    await stage.work();
    const { state, row } = await ended(by, runId);
    assert.equal(state, 'succeeded');
    await settled(tokensOf(row));
  }).timeout(120_000);
});
