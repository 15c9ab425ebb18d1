import assert from 'node:assert/strict';
import { declarations } from '../../activities/index.ts';
import { inTenant } from '../../models/scope.ts';
import { nudgeRun } from '../../temporal/runs.ts';
import { type Around, at, combined, everythingTwice, failsForAWhile, recording } from '../support/faults.ts';
import { assertSettled, limitedBy } from '../support/limited.ts';
import { placed } from '../support/people.ts';
import { replayRunOf, replayStoredRuns } from '../support/run-histories.ts';
import { begun, ended, type Runner, runner, until } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** What a run has to stand, whatever it runs: each step fails, is lost, is had twice; workers are killed. */
describe('the workflow of a run', () => {
  let stage: Stage;
  let outside: Outside;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const tool = ({ integrationId }: Runner, id: string, more: object = {}) => ({
    id,
    kind: 'tool',
    integrationId,
    method: 'POST',
    path: `/${id}`,
    ...more,
  });

  /** One of everything: each activity of a run has its turn. */
  async function asked(): Promise<{ by: Runner; workflowId: string }> {
    const by = await runner(stage.principal, outside);
    await limitedBy(await placed(by.tenantId), { id: 'q', amount: 1_000_000 });
    const agentId = await makeAgent(by.tenantId, {
      instructions: 'call: look_up {"word":"x"}',
      providerId: by.providerId,
      tools: [
        {
          kind: 'integration',
          name: 'look_up',
          description: 'Look up',
          integrationId: by.integrationId,
          method: 'POST',
          path: '/look-up',
          inputSchema: { type: 'object' },
        },
      ],
    });
    const steps = [
      tool(by, 'first'),
      { id: 'agent', kind: 'agent', agentId, prompt: 'say: done', after: ['first'] },
      { id: 'each', kind: 'map', over: '[1, 2]', after: ['agent'], steps: [tool(by, 'send')] },
    ];
    const output = { said: '{{ steps.agent.output }}', sent: '{{ size(steps.each.output) }}' };
    return { by, workflowId: await makeWorkflow(by.tenantId, { steps, output }) };
  }

  // As many steps as there are, so that one that counted twice would find none left.
  const budget = { tokens: 100_000, steps: 6 };
  const activities = ['openRun', 'takeStep', 'takeTurn', 'takeCall', 'enterStep', 'leaveStep', 'closeRun'];
  const effectsOf = (runId: string) =>
    [...outside.effects.values()].filter(({ key }) => key.startsWith(runId));

  async function carriedOut(fault?: Around): Promise<{ by: Runner; runId: string; names: string[] }> {
    const { by, workflowId } = await asked();
    const recorded = { names: [], overlapping: [] };
    stage.faults.set(by.tenantId, combined(recording(recorded), ...(fault ? [fault] : [])));
    await stage.work();
    return { by, runId: await begun(by, { workflowId }, {}, 1, {}, budget), names: recorded.names };
  }

  /** Done once, counted once, whatever happened on the way. */
  async function kept(by: Runner, runId: string): Promise<void> {
    const run = await ended(by, runId);
    assert.equal(run.state, 'succeeded', JSON.stringify(run));
    assert.deepEqual(run.output, { said: 'done', sent: 2 });
    assert.deepEqual(
      effectsOf(runId)
        .map(({ url }) => url)
        .toSorted(),
      ['/first', '/look-up', '/send', '/send'],
    );
    const turns = run.steps.filter((step) => step.kind === 'turn');
    const counted = Number(run.row.tokens_input) + Number(run.row.tokens_output);
    assert.equal(turns.length, 2);
    const ofTurns = turns.reduce((sum, turn) => sum + turn.tokens, 0);
    assert.equal(counted, ofTurns);
    assert.equal(run.row.steps_used, 6, 'two turns and four calls, each counted once');
    await assertNumbered(by, runId);
    await assertSettled(await placed(by.tenantId), 'q', counted);
  }

  async function assertNumbered({ tenantId }: Runner, runId: string): Promise<void> {
    const rows = await inTenant(await placed(tenantId), ({ sql }) =>
      sql<{ seq: string }>('SELECT seq FROM run_events WHERE run_id = $1 ORDER BY seq', [runId]),
    );
    assert.deepEqual(
      rows.map(({ seq }) => Number(seq)),
      rows.map((_, index) => index + 1),
    );
  }

  it('R2.3 does what it promises, and what Temporal keeps of it says nothing of the tenant’s', async () => {
    const { by, runId, names } = await carriedOut();
    await kept(by, runId);
    assert.deepEqual([...new Set(names)].toSorted(), activities.toSorted());
    const text = await replayRunOf(by.tenantId, runId, 'succeeded');
    assert.match(text, /Step 1: tool call/);
    for (const canary of ['/look-up', 'say: done', 'look_up', '"first"'])
      assert.ok(!text.includes(canary), canary);
  });

  for (const when of ['before', 'after'] as const) {
    it(`R2.3 heals when an activity fails for a while ${when} its effect, whichever it is`, async () => {
      await Promise.all(
        activities.map(async (name) => {
          const { by, runId } = await carriedOut(failsForAWhile(name, when));
          await kept(by, runId);
        }),
      );
    });
  }

  it('R2.3 does everything twice as if it were once', async () => {
    const { by, runId } = await carriedOut(everythingTwice);
    await kept(by, runId);
  });

  it('R2.3 is finished by another worker when one is killed, at whichever activity', async () => {
    await stage.rest();
    const all = await Promise.all(activities.map(async (name) => ({ name, ...(await asked()) })));
    const runs = new Map<string, string>();
    await stage.killedAt(new Map(all.map(({ name, by }) => [by.tenantId, name])), () =>
      Promise.all(
        all.map(async ({ by, workflowId }) => {
          runs.set(by.tenantId, await begun(by, { workflowId }, {}, 1, {}, budget));
        }),
      ),
    );
    for (const { by } of all) stage.faults.delete(by.tenantId);
    await stage.work();
    await Promise.all(all.map(({ by }) => kept(by, runs.get(by.tenantId) ?? '')));
  }).timeout(120_000);

  it('R2.3 takes twenty steps through the death of its worker, each tool effect once', async () => {
    const by = await runner(stage.principal, outside);
    const steps = Array.from({ length: 20 }, (_, index) =>
      tool(by, `s${index}`, index > 0 ? { after: [`s${index - 1}`] } : {}),
    );
    const workflowId = await makeWorkflow(by.tenantId, { steps });
    await stage.rest();
    let runId = '';
    let count = 0;
    outside.before.act = async () => {
      count += 1;
      return undefined;
    };
    await stage.killedAt(new Map([[by.tenantId, `takeStep@10`]]), async () => {
      runId = await begun(by, { workflowId });
    });
    await stage.work();
    const run = await ended(by, runId);
    assert.equal(run.state, 'succeeded', JSON.stringify(run.refusal));
    assert.equal(effectsOf(runId).length, 20);
    assert.equal(run.row.steps_used, 20);
    assert.ok(count >= 20 && count <= 21, `${count} calls`);
  }).timeout(120_000);

  it('R2.3 stands still while its tenant is suspended, and goes on after', async () => {
    const { by, workflowId } = await asked();
    const operation = { tenantId: by.tenantId, operationId: 'op_none' };
    const gate = Promise.withResolvers<void>();
    stage.faults.set(
      by.tenantId,
      at('takeStep', 'before', () => gate.promise),
    );
    await stage.work();
    const runId = await begun(by, { workflowId });
    await declarations.blockTenant.run({ ...operation, state: 'suspended' }, stage.principal);
    gate.resolve();
    await until(by, runId, (run) => run.state === 'paused');
    assert.equal(effectsOf(runId).length, 0);
    await declarations.unblockTenant.run(operation, stage.principal);
    await kept(by, runId);
  });

  it('R2.3 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStoredRuns()) > 0);
  });

  it('R2.3 believes no signal: what is wanted of a run stands in its row', async () => {
    const { by, runId } = await carriedOut();
    for (let times = 0; times < 5; times += 1) await nudgeRun({ tenantId: by.tenantId, region: 'eu', runId });
    await kept(by, runId);
  });
});
