import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Client, WorkflowClient } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { config } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { noteWeight } from '../../models/weights.ts';
import { currentPlan } from '../../policies/plans.ts';
import { temporal } from '../../temporal/client.ts';
import { tenantPriority } from '../../temporal/priority.ts';
import { runDataConverter, temporalNamespaceOf } from '../../temporal/run-namespace.ts';
import { nextTimes, putRunSchedule } from '../../temporal/run-schedules.ts';
import { placesInHand } from '../../temporal/run-slots.ts';
import { installRuntime } from '../../temporal/runtime.ts';
import { ensureSchedules } from '../../temporal/schedules.ts';
import { startDiscovery, startOperation } from '../../temporal/start.ts';
import { startRootRotation } from '../../temporal/start-root-rotation.ts';
import { wakeWebhooks } from '../../temporal/webhooks.ts';
import {
  deliveriesId,
  discoveryId,
  registry,
  retentionId,
  rootRotationId,
  sweepId,
  watchId,
  workflowIdOf,
} from '../../workflows/registry.ts';
import { runScheduleId, runWorkflowId } from '../../workflows/run-registry.ts';
import { askFor } from '../support/lifecycle.ts';
import { placed } from '../support/people.ts';
import { say } from '../support/retention.ts';
import { begun, ended, type Runner, runner } from '../support/run-stage.ts';
import { makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';

const weightOfPlan = (name: string) => currentPlan(name)?.weight ?? assert.fail(name);

describe('shares in Temporal', () => {
  let stage: Stage;
  let outside: Outside;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const runs = () =>
    new WorkflowClient({
      connection: temporal().connection,
      namespace: temporalNamespaceOf(config(), 'eu'),
      dataConverter: runDataConverter,
    });
  const priorityOf = async (client: Client['workflow'], workflowId: string) => {
    const { raw } = await client.getHandle(workflowId).describe();
    const { priorityKey, fairnessKey, fairnessWeight } = raw.workflowExecutionInfo?.priority ?? {};
    return [priorityKey, fairnessKey, fairnessWeight];
  };

  it('R10.2 are said wherever a workflow is started: no start leaves them out', async () => {
    for await (const file of glob('temporal/*.ts')) {
      if (file === 'temporal/worker.ts') continue;
      const text = await readFile(file, 'utf8');
      const starts = text.match(/\btaskQueue:/g)?.length ?? 0;
      const said = text.match(/\bpriority: (tenant|platform)Priority\(/g)?.length ?? 0;
      assert.equal(said, starts, file);
    }
    for (const [kind, { priorityKey }] of Object.entries(registry))
      assert.ok(priorityKey >= 1 && priorityKey <= 5, kind);
  });

  it('R10.2 of an operation are its tenant’s, by the weight of its plan and the class of its kind', async () => {
    const operation = await askFor('suspend-tenant', stage.principal, { previous: 'active' });
    await startOperation(operation);
    assert.deepEqual(await priorityOf(temporal().client.workflow, workflowIdOf(operation)), [
      registry['suspend-tenant'].priorityKey,
      operation.tenantId,
      operation.weight,
    ]);
  });

  it('R10.2 of a tenant’s runs, calendars and webhooks are its own', async () => {
    const by = await runner(stage.principal, outside);
    const { tenantId } = by;
    const workflowId = await makeWorkflow(tenantId, { steps: chain(1) });
    noteWeight(tenantId, 4);
    const runId = await begun(by, { workflowId }, {}, 4);
    assert.deepEqual(await priorityOf(runs(), runWorkflowId(tenantId, runId)), [3, tenantId, 4]);
    await wakeWebhooks({ tenantId, region: 'eu' });
    assert.deepEqual(await priorityOf(temporal().client.workflow, deliveriesId(tenantId)), [3, tenantId, 4]);
    const calendar = { tenantId, region: 'eu', scheduleId: newId('sch'), version: 1, zone: 'UTC' };
    const more = { cron: '0 0 1 1 *', overlap: 'wait', catchUpSeconds: 60, paused: false } as const;
    await putRunSchedule({ ...calendar, ...more });
    assert.ok((await nextTimes(calendar))?.length);
    const id = runScheduleId(tenantId, calendar.scheduleId);
    assert.deepEqual(await priorityOfFiring(id, temporalNamespaceOf(config(), 'eu')), [3, tenantId, 4]);
  });

  /** As the server kept it for what the schedule starts; its own schedules are in its own namespace. */
  const priorityOfFiring = async (scheduleId: string, namespace: string) => {
    const { schedule } = await temporal().connection.workflowService.describeSchedule({
      namespace,
      scheduleId,
    });
    const { priorityKey, fairnessKey, fairnessWeight } = schedule?.action?.startWorkflow?.priority ?? {};
    return [priorityKey, fairnessKey, fairnessWeight];
  };

  it('R10.2 of Freehold’s own work are those of one tenant more', async () => {
    await ensureSchedules(config(), () => {});
    const { namespace } = config().temporal;
    for (const [id, kind] of [
      [sweepId, 'sweep-tenants'],
      [watchId, 'watch-integrations'],
      [retentionId('eu'), 'apply-retention'],
    ] as const)
      assert.deepEqual(await priorityOfFiring(id, namespace), [registry[kind].priorityKey, 'platform', 16]);
    await startRootRotation(newId('req'));
    await startDiscovery({ emailHash: 'fair', requestId: newId('req') });
    for (const id of [rootRotationId, discoveryId('fair')])
      assert.deepEqual((await priorityOf(temporal().client.workflow, id)).slice(1), ['platform', 16]);
  });

  it('R10.2 go on with a workflow that hands itself on to a fresh history', async () => {
    const { client } = temporal();
    const { address, namespace } = config().temporal;
    const taskQueue = 'again';
    installRuntime();
    const native = await NativeConnection.connect({ address });
    const workflowsPath = fileURLToPath(new URL('../support/workflows/again.ts', import.meta.url));
    const worker = await Worker.create({ connection: native, namespace, taskQueue, workflowsPath });
    await worker.runUntil(async () => {
      const { firstExecutionRunId, workflowId } = await client.workflow.start('work', {
        taskQueue,
        workflowId: newId('op'), // Of its own for each try.
        args: [false],
        priority: tenantPriority(2, 'ten_again', 4),
      });
      await until(async () => {
        const { runId } = await client.workflow.getHandle(workflowId).describe();
        return runId !== firstExecutionRunId;
      });
      assert.deepEqual(await priorityOf(client.workflow, workflowId), [2, 'ten_again', 4]);
      await client.workflow.getHandle(workflowId).terminate();
    });
    await native.close();
  });

  it('R10.2 keep the wait of the lowest plan within what is stated, whatever the others have queued', async () => {
    const [business, team, free] = await Promise.all(
      Array.from({ length: 3 }, () => runner(stage.principal, outside)),
    );
    assert.ok(business && team && free);
    const weights = { business: weightOfPlan('business'), team: weightOfPlan('team') };
    await queued(business, 300, weights.business);
    await queued(team, 60, weights.team);
    const workflowId = await makeWorkflow(free.tenantId, { steps: chain(1) });
    let completed = 0;
    let before = Number.POSITIVE_INFINITY;
    for (const { tenantId } of [business, team])
      stage.faults.set(tenantId, async (_name, effect) => {
        const answer = await effect();
        completed += 1;
        return answer;
      });
    stage.faults.set(free.tenantId, (name, effect) => {
      if (name === 'openRun') before = Math.min(before, completed);
      return effect();
    });
    const runId = await begun(free, { workflowId }, {}, weightOfPlan('free'));
    await stage.work();
    assert.equal((await ended(free, runId, 200)).state, 'succeeded');
    // docs/fair-shares.md: what a worker has in hand, and twice the weights of the others over one's own.
    const bound = placesInHand + 2 * ((weights.business + weights.team) / weightOfPlan('free'));
    assert.ok(before <= bound, `${before} tasks of others were completed before it began; stated: ${bound}`);
    assert.ok(completed > 0);
  }).timeout(300_000);

  async function queued(by: Runner, count: number, weight: number): Promise<void> {
    await say(await placed(by.tenantId), { 'runs.maxConcurrent': 1_000 });
    const workflowId = await makeWorkflow(by.tenantId, { steps: chain(3) });
    let left = count;
    const begin = async () => {
      while (left-- > 0) await begun(by, { workflowId }, {}, weight);
    };
    await Promise.all(Array.from({ length: 4 }, begin));
  }
});

const chain = (length: number) =>
  Array.from({ length }, (_, at) => ({
    id: `s${at}`,
    kind: 'condition',
    if: 'true',
    after: at === 0 ? [] : [`s${at - 1}`],
  }));
