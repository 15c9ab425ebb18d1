import assert from 'node:assert/strict';
import { config } from '../../models/databases.ts';
import { inSystem } from '../../models/scope.ts';
import type { Startable } from '../../models/system/operation.ts';
import { temporal } from '../../temporal/client.ts';
import { ensureSchedules } from '../../temporal/schedules.ts';
import { startOperation } from '../../temporal/start.ts';
import { lifecycleId, sweepId } from '../../workflows/registry.ts';
import { askForTenant, assertStands } from '../support/lifecycle.ts';
import { until } from '../support/runs.ts';
import { closed, type Stage, setStage } from '../support/stage.ts';

describe('the sweep', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
    await ensureSchedules(config(), () => {});
  });
  after(() => stage.leave());

  const schedule = () => temporal().client.schedule.getHandle(sweepId);
  const sweep = async () => {
    await stage.work();
    await schedule().trigger();
  };
  const workflow = ({ tenantId }: Startable) => temporal().client.workflow.getHandle(lifecycleId(tenantId));
  const isThere = (operation: Startable) =>
    workflow(operation)
      .describe()
      .then(
        () => true,
        () => false,
      );

  it('R1.1 starts an operation that was committed and never started', async () => {
    const operation = await askForTenant(stage.principal);
    await aged(operation, 'created_at');
    await sweep();
    await until(() => isThere(operation));
    await closed(operation);
    await assertStands(operation, 'active');
  });

  it('R1.1 starts an operation again whose workflow somebody has terminated', async () => {
    const operation = await askForTenant(stage.principal);
    stage.faults.set(operation.tenantId, async (name, effect) => {
      if (name === 'applyPlan') throw new Error('not yet');
      return effect();
    });
    await stage.work();
    await startOperation(operation);
    await workflow(operation).terminate('by an operator');
    stage.faults.delete(operation.tenantId);
    await aged(operation, 'checked_at');
    await sweep();
    await until(async () => (await workflow(operation).describe()).status.name === 'COMPLETED');
    await assertStands(operation, 'active');
  });

  it('R1.1 is scheduled once, and stays paused when an operator has paused it', async () => {
    await schedule().pause();
    await ensureSchedules(config(), () => {});
    assert.equal((await schedule().describe()).state.paused, true);
    const ids: string[] = [];
    for await (const each of temporal().client.schedule.list()) ids.push(each.scheduleId);
    assert.ok(ids.filter((id) => id === sweepId).length <= 1);
    await schedule().unpause();
  });
});

/** As if it had been left a quarter of an hour ago. */
async function aged({ operationId }: Startable, column: 'created_at' | 'checked_at'): Promise<void> {
  await inSystem('platform', ({ sql }) =>
    sql(`UPDATE operations SET ${column} = now() - interval '15 minutes' WHERE id = $1`, [operationId]),
  );
}
