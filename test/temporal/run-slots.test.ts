import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { WorkflowClient } from '@temporalio/client';
import { config } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { temporal } from '../../temporal/client.ts';
import { temporalNamespaceOf } from '../../temporal/run-namespace.ts';
import { placesInHand } from '../../temporal/run-slots.ts';
import { startRun } from '../../temporal/runs.ts';
import { runWorkflowId } from '../../workflows/run-registry.ts';
import { changeLimits } from '../support/limited.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner } from '../support/run-stage.ts';
import { makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { eventually } from '../support/traces.ts';

describe('places for runs in a worker', () => {
  const count = 4 * placesInHand;
  let stage: Stage;
  let outside: Outside;
  let waiting: Runner;
  let other: Runner;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    await stage.work();
  });
  beforeEach(async () => {
    [waiting, other] = await Promise.all([
      runner(stage.principal, outside),
      runner(stage.principal, outside),
    ]);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const begin = async (by: Runner, step: object) => {
    const workflowId = await makeWorkflow(by.tenantId, { steps: [{ id: 's', ...step }] });
    return (times: number) => Promise.all(Array.from({ length: times }, () => begun(by, { workflowId })));
  };
  const quick = { kind: 'condition', if: 'true' };
  const succeed = async (by: Runner, runIds: string[]) => {
    for (const runId of runIds) assert.equal((await ended(by, runId)).state, 'succeeded');
  };

  it('R10.2 are free for others while more of one tenant’s steps than there are places wait for their tool', async () => {
    const gate = Promise.withResolvers<undefined>();
    outside.before.act = () => gate.promise;
    const { integrationId } = waiting;
    const slow = await begin(waiting, {
      kind: 'tool',
      integrationId,
      method: 'POST',
      path: '/slow',
      body: {},
    });
    const runIds = await slow(count);
    await eventually(async () => assert.equal(outside.effects.size, count), 60);
    const ofOther = await begin(other, quick);
    await succeed(other, await ofOther(1));
    gate.resolve(undefined);
    await succeed(waiting, runIds);
  });

  it('R10.2 are free for others while more of one tenant’s steps than there are places are kept by something else', async () => {
    const gate = Promise.withResolvers<void>();
    let kept = 0;
    stage.faults.set(waiting.tenantId, async (name, effect) => {
      if (name !== 'takeStep') return effect();
      kept += 1;
      await gate.promise;
      return effect();
    });
    const stuck = await begin(waiting, quick);
    const runIds = await stuck(count);
    await eventually(async () => assert.equal(kept, count), 60);
    const ofOther = await begin(other, quick);
    await succeed(other, await ofOther(1));
    gate.resolve();
    await succeed(waiting, runIds);
  });

  it('R10.2 are not all one tenant’s, whose calls more than fill a worker and are never answered', async () => {
    const gate = Promise.withResolvers<undefined>();
    outside.before.act = () => gate.promise;
    const { integrationId } = waiting;
    const call = {
      id: 'call',
      kind: 'tool',
      integrationId,
      method: 'POST',
      path: '/stuck',
      body: {},
      timeoutSeconds: 300,
    };
    const over = JSON.stringify(Array.from({ length: 50 }, (_, at) => at));
    const many = await begin(waiting, { kind: 'map', over, concurrency: 50, steps: [call] });
    let calls = 0;
    stage.faults.set(waiting.tenantId, (name, effect) => {
      if (name === 'takeStep') calls += 1;
      return effect();
    });
    const runIds = await many(6);
    await eventually(async () => {
      const before = calls;
      await pause(2_000);
      assert.ok(calls > 100 && calls === before, 'no more of them begin');
    }, 60);
    const ofOther = await begin(other, quick);
    for (let times = 0; times < 3; times++) await succeed(other, await ofOther(2));
    outside.before.act = () => undefined;
    gate.resolve(undefined);
    await succeed(waiting, runIds);
  }).timeout(240_000);

  it('R10.2 are free for others while more runs than there are places wait for what nobody asked for', async () => {
    const { tenantId, principal } = waiting;
    for (let at = 0; at < count; at++)
      await startRun({ tenantId, region: 'eu', runId: newId('run'), round: 1, principal, weight: 1 });
    const ofOther = await begin(other, quick);
    const [runId = ''] = await ofOther(1);
    // Each of those is looked for for 20 s.
    assert.equal((await ended(other, runId, 10)).state, 'succeeded');
  });

  it('R10.2 are not taken by runs that were started and then refused', async () => {
    const place = await placed(waiting.tenantId);
    const most = 2;
    await changeLimits(place, "UPDATE quotas SET amount = $1 WHERE id = 'plan.runs'", [most]);
    const workflowId = await makeWorkflow(waiting.tenantId, { steps: [{ id: 's', ...quick }] });
    const begun10 = await Promise.allSettled(
      Array.from({ length: 10 }, () => begun(waiting, { workflowId })),
    );
    assert.equal(begun10.filter(({ status }) => status === 'fulfilled').length, most);
    const { connection } = temporal();
    const client = new WorkflowClient({ connection, namespace: temporalNamespaceOf(config(), 'eu') });
    const open = async () => {
      const query = `ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH '${runWorkflowId(waiting.tenantId, '')}'`;
      return (await client.count(query)).count;
    };
    await eventually(async () => assert.equal(await open(), 0), 10);
  });
});
