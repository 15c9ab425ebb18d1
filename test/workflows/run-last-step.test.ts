import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { inTenant } from '../../models/scope.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner } from '../support/run-stage.ts';
import { makeAgent, makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

describe('a run whose worker is lost during the last step that it, or its agent, may take', () => {
  let stage: Stage;
  let outside: Outside;
  let by: Runner;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    by = await runner(stage.principal, outside);
    await stage.work();
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  async function underWay(kind: string): Promise<void> {
    const place = await placed(by.tenantId);
    const text = "SELECT FROM run_steps WHERE kind = $1 AND state = 'running'";
    while ((await inTenant(place, ({ sql }) => sql(text, [kind]))).length === 0) await pause(20);
  }

  /** The first attempt is given up in the middle, and told to nobody; the next one is another worker's. */
  function loseFirst(activity: string, kind: string): void {
    let first = true;
    stage.faults.set(by.tenantId, (name, effect) => {
      if (name !== activity || !first) return effect();
      first = false;
      const lost = underWay(kind).then(() => {
        throw new Error('the worker is lost');
      });
      return Promise.race([effect(), lost]);
    });
  }

  it('R2.3 goes on with a tool, which is told that it is the same call', async () => {
    const gate = Promise.withResolvers<undefined>();
    outside.before.act = ({ times }) => (times === 1 ? gate.promise : undefined);
    loseFirst('takeStep', 'tool');
    const { integrationId } = by;
    const tool = { id: 'a', kind: 'tool', integrationId, method: 'POST', path: '/a', body: {} };
    const workflowId = await makeWorkflow(by.tenantId, { steps: [tool] });
    const run = await ended(by, await begun(by, { workflowId }, {}, 1, { steps: 1 }));
    gate.resolve(undefined);
    assert.deepEqual([run.state, run.row.steps_used], ['succeeded', 1], String(run.refusal));
    assert.deepEqual(
      [...outside.effects.values()].map(({ times }) => times),
      [2],
    );
  });

  it('R2.3 goes on with a turn of its model', async () => {
    loseFirst('takeTurn', 'turn');
    const agentId = await makeAgent(by.tenantId, { limits: { steps: 1 } });
    const input = { prompt: 'wait: 2s\nsay: hi' };
    const run = await ended(by, await begun(by, { agentId }, input, 1, { steps: 1 }));
    assert.deepEqual([run.state, run.row.steps_used], ['succeeded', 1], String(run.refusal));
  });
});
