import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { config } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { temporal } from '../../temporal/client.ts';
import { tenantPriority } from '../../temporal/priority.ts';
import { installRuntime } from '../../temporal/runtime.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { eventually } from '../support/traces.ts';

describe('shares in Temporal, of what is handed on', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  it('R10.2 go on with a workflow that hands itself on to a fresh history', async () => {
    const { client } = temporal();
    const { address, namespace } = config().temporal;
    const workflowId = newId('op');
    const taskQueue = `again-${workflowId}`;
    installRuntime();
    const native = await NativeConnection.connect({ address });
    const worker = await Worker.create({
      ...{ connection: native, namespace, taskQueue },
      workflowsPath: fileURLToPath(new URL('../support/workflows/again.ts', import.meta.url)),
    });
    await worker.runUntil(async () => {
      const { firstExecutionRunId } = await client.workflow.start('work', {
        ...{ taskQueue, workflowId },
        args: [false],
        priority: tenantPriority(2, 'ten_again', 4),
      });
      const handle = client.workflow.getHandle(workflowId);
      await eventually(async () => {
        const { runId } = await handle.describe();
        assert.notEqual(runId, firstExecutionRunId);
      });
      const { raw } = await handle.describe();
      const { priorityKey, fairnessKey, fairnessWeight } = raw.workflowExecutionInfo?.priority ?? {};
      assert.deepEqual([priorityKey, fairnessKey, fairnessWeight], [2, 'ten_again', 4]);
      await handle.terminate();
    });
    await native.close();
  });
});
