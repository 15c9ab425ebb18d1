import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { config } from '../../models/databases.ts';
import { temporal } from '../../temporal/client.ts';
import { installRuntime } from '../../temporal/runtime.ts';
import { lifecycleId } from '../../workflows/registry.ts';
import { askForTenant } from '../support/lifecycle.ts';
import { until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url));

describe('a bug in a workflow', () => {
  let stage: Stage;
  let connection: NativeConnection;
  before(async () => {
    stage = await setStage();
    installRuntime();
    connection = await NativeConnection.connect({ address: config().temporal.address });
  });
  after(async () => {
    await connection.close();
    await stage.leave();
  });

  it('R1.1 blocks the workflow until mended code resumes it, and undoes nothing', async () => {
    const { tenantId, operationId } = await askForTenant(stage.principal);
    const names: string[] = [];
    const tell = (name: string) => async () => {
      names.push(name);
      return { attempt: 1 };
    };
    const activities = Object.fromEntries(
      ['ensureTenantSchema', 'removeTenantSchema', 'failTenant'].map((name) => [name, tell(name)]),
    );
    const workerOf = (version: 'buggy' | 'mended') =>
      Worker.create({
        connection,
        activities,
        namespace: config().temporal.namespace,
        taskQueue: 'cp.bug',
        workflowsPath: pathOf(`../support/workflows/${version}.ts`),
        interceptors: { workflowModules: [pathOf('../../workflows/interceptors.ts')] },
      });
    const handle = await temporal().client.workflow.start('work', {
      taskQueue: 'cp.bug',
      workflowId: lifecycleId(tenantId),
      args: [{ tenantId, operationId }],
    });
    const failedTasks = async () =>
      (await handle.fetchHistory()).events?.filter((event) => event.workflowTaskFailedEventAttributes)
        .length ?? 0;

    await (await workerOf('buggy')).runUntil(until(async () => (await failedTasks()) > 0));
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    await (await workerOf('mended')).runUntil(handle.result());
    assert.deepEqual(names, ['ensureTenantSchema']);
  }).timeout(60_000);
});
