import assert from 'node:assert/strict';
import { begun, ended, runner } from '../support/run-stage.ts';
import { makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

describe('the order of a run', () => {
  let stage: Stage;
  let outside: Outside;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  it('R4.3 is the ledger’s to say: a result forged in Temporal passes no approval', async () => {
    const by = await runner(stage.principal, outside);
    const ask = { id: 'ask', kind: 'approval', role: 'owner', question: 'Go on?' };
    const { integrationId } = by;
    const tool = { id: 'pay', kind: 'tool', integrationId, method: 'POST', path: '/pay', after: ['ask'] };
    const workflowId = await makeWorkflow(by.tenantId, { steps: [ask, tool] });
    stage.faults.set(by.tenantId, async (name, effect) =>
      name === 'enterStep' ? { state: 'done' } : effect(),
    );
    await stage.work();
    const runId = await begun(by, { workflowId });
    const run = await ended(by, runId);
    assert.equal(run.state, 'failed');
    assert.match(JSON.stringify(run.refusal), /Its turn has not come/);
    assert.ok(![...outside.effects.values()].some(({ key }) => key.startsWith(runId)), 'nothing was paid');
  });
});
