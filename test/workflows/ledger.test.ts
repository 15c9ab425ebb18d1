import assert from 'node:assert/strict';
import { watchOperation } from '../../temporal/start.ts';
import type { Around } from '../support/faults.ts';
import { askForTenant, storedOperation } from '../support/lifecycle.ts';
import { begin, end, until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';

describe('the ledger of an operation that lasts', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  /** applyPlan fails until it is let go. */
  const held = () => {
    let open = false;
    const fault: Around = async (name, effect) => {
      if (name === 'applyPlan' && !open) throw new Error('not yet');
      return effect();
    };
    const letGo = () => {
      open = true;
    };
    return { fault, letGo };
  };

  it('R1.4 shows which attempt a step is at, and why the last one failed, while it is being tried', async () => {
    const { fault, letGo } = held();
    const begun = await begin(stage, await askForTenant(stage.principal), fault);
    await until(async () => {
      const live = await watchOperation(begun.operation);
      const step = live === 'not-running' ? undefined : live.steps.find((each) => each.name === 'applyPlan');
      return step?.state === 'running' && step.attempts >= 3 && step.refusal !== undefined;
    });
    letGo();
    const { stored } = await end(begun);
    assert.ok((stored.steps.find((step) => step.name === 'applyPlan')?.attempts ?? 0) >= 3);
  });

  it('R1.4 is mirrored to the stored operation, for when Temporal cannot be asked', async () => {
    const { fault, letGo } = held();
    const begun = await begin(stage, await askForTenant(stage.principal), fault);
    assert.deepEqual((await storedOperation(begun.operation)).steps, []);
    await until(async () => (await storedOperation(begun.operation)).steps.length > 0);
    const { steps, percent, state } = await storedOperation(begun.operation);
    assert.equal(state, 'running');
    assert.equal(percent, 37);
    assert.equal(steps.find((step) => step.name === 'applyPlan')?.state, 'running');
    letGo();
    assert.equal((await end(begun)).stored.percent, 100);
  });
});
