import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { queueWebhook } from '../../models/tenant/webhook.ts';
import { temporal } from '../../temporal/client.ts';
import { wakeWebhooks } from '../../temporal/webhooks.ts';
import { deliveriesId, lifecycleId } from '../../workflows/registry.ts';
import { placeFor } from '../support/errands.ts';
import {
  type Around,
  at,
  combined,
  everythingTwice,
  failsForAWhile,
  failureCount,
  recording,
  refuses,
} from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { askFor } from '../support/lifecycle.ts';
import { until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { type Hooks, hookServer, type Receiver, receiverIn, statesOf } from '../support/webhooks.ts';

const step = 'deliverDue';
const kind = 'deliver-webhooks';

describe('the workflow deliver-webhooks, when things go wrong', () => {
  let stage: Stage;
  let hooks: Hooks;
  before(async () => {
    [stage, hooks] = await Promise.all([setStage(), hookServer()]);
  });
  after(async () => {
    hooks.stop();
    await stage.leave();
  });

  type Told = { place: Place; tenantId: string; receiver: Receiver };
  /** A tenant with one event queued, and nobody woken yet. */
  async function told(statuses = [200]): Promise<Told> {
    const { tenantId } = await askFor('suspend-tenant', stage.principal, { previous: 'active' });
    const place = await placeFor({ tenantId });
    const receiver = await receiverIn(place, hooks, { statuses });
    await inTenant(place, ({ sql }) => queueWebhook(sql, 'run.finished', { runId: 'run_x' }));
    return { place, tenantId, receiver };
  }
  const wake = ({ tenantId }: Told) => wakeWebhooks({ tenantId, region: 'eu' });
  const handle = ({ tenantId }: Told) => temporal().client.workflow.getHandle(deliveriesId(tenantId));
  const ended = async (one: Told) => {
    await handle(one)
      .result()
      .catch(() => {});
    return (await handle(one).describe()).status.name;
  };
  const idsAt = ({ receiver }: Told) =>
    hooks.received.filter(({ path }) => path === receiver.path).map(({ headers }) => headers['webhook-id']);

  async function run(one: Told, ...faults: Around[]): Promise<{ names: string[]; status: string }> {
    const recorded = { names: [] as string[], overlapping: [] };
    stage.faults.set(one.tenantId, combined(recording(recorded, []), ...faults));
    await stage.work();
    await wake(one);
    return { status: await ended(one), names: recorded.names };
  }

  it('R6.4 sends what is due in one round and ends', async () => {
    const one = await told();
    assert.deepEqual(await run(one), { status: 'COMPLETED', names: [step] });
    assert.deepEqual(await statesOf(one.place, one.receiver), ['delivered']);
    assert.equal(idsAt(one).length, 1);
    await replayWorkflow(kind, deliveriesId(one.tenantId), 'succeeded');
  });

  it('R6.4 waits by itself for the time of the next attempt, and then ends', async () => {
    const one = await told([500, 200]);
    const { status, names } = await run(one);
    assert.deepEqual([status, names], ['COMPLETED', [step, step]]);
    assert.deepEqual(await statesOf(one.place, one.receiver), ['delivered']);
    await replayWorkflow(kind, deliveriesId(one.tenantId), 'retried');
  }).timeout(60_000);

  for (const when of ['before', 'after'] as const)
    it(`R6.4 heals when a round fails for a while ${when} its effect, and sends once`, async () => {
      const one = await told();
      const { status, names } = await run(one, failsForAWhile(step, when));
      assert.equal(status, 'COMPLETED');
      assert.equal(names.length, failureCount + 1);
      assert.equal(idsAt(one).length, 1);
    });

  it('R6.4 sends once though every round is done twice', async () => {
    const one = await told();
    await run(one, everythingTwice);
    assert.equal(idsAt(one).length, 1);
  });

  it('R6.4 is woken again after it was refused, and sends then', async () => {
    const one = await told();
    assert.equal((await run(one, refuses(step, 'before'))).status, 'FAILED');
    assert.deepEqual(await statesOf(one.place, one.receiver), ['pending']);
    stage.faults.delete(one.tenantId);
    await wake(one);
    assert.equal(await ended(one), 'COMPLETED');
    assert.equal(idsAt(one).length, 1);
  });

  it('R6.4 runs once for each tenant however often it is woken, and misses nothing that comes while it runs', async () => {
    const one = await told();
    let late = false;
    const more = at(step, 'after', async () => {
      if (late) return;
      late = true;
      await inTenant(one.place, ({ sql }) => queueWebhook(sql, 'run.finished', { runId: 'run_late' }));
      await Promise.all([wake(one), wake(one), wake(one)]);
    });
    const { status } = await run(one, more);
    assert.equal(status, 'COMPLETED');
    await until(async () =>
      (await statesOf(one.place, one.receiver)).every((state) => state === 'delivered'),
    );
    assert.equal(idsAt(one).length, 2);
  });

  it('R6.4 is finished by another worker when one is killed, under the same id', async () => {
    await stage.rest();
    const one = await told();
    await stage.killedAt(new Map([[one.tenantId, step]]), () => wake(one));
    stage.faults.delete(one.tenantId);
    await stage.work();
    assert.equal(await ended(one), 'COMPLETED');
    assert.deepEqual(await statesOf(one.place, one.receiver), ['delivered']);
    assert.equal(new Set(idsAt(one)).size, 1);
  }).timeout(90_000);

  it('R6.4 sends nothing for a tenant that is suspended', async () => {
    const one = await told();
    await inTenant(one.place, ({ sql }) => sql("UPDATE tenant SET state = 'suspended'"));
    assert.equal((await run(one)).status, 'COMPLETED');
    assert.deepEqual(await statesOf(one.place, one.receiver), ['pending']);
    assert.equal(idsAt(one).length, 0);
  });

  it('R6.4 does nothing under the id of a tenant’s own work', async () => {
    const one = await told();
    await stage.work();
    const options = {
      workflowId: lifecycleId(one.tenantId),
      taskQueue: 'cp.eu',
      args: [{ of: one.tenantId, region: 'eu' }],
    };
    const forged = await temporal().client.workflow.start('deliverWebhooks', options);
    await assert.rejects(forged.result(), (error: Error) => JSON.stringify(error.cause).includes('"stray"'));
    assert.equal(idsAt(one).length, 0);
  });

  it('R6.4 shows Temporal no event, no address and no secret', async () => {
    const one = await told();
    await run(one);
    const history = await handle(one).fetchHistory();
    const text = JSON.stringify(history, (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    );
    for (const canary of ['run_x', 'run.finished', one.receiver.path, '127.0.0.1', 'whsec_'])
      assert.ok(!text.includes(canary), canary);
  });

  it('R6.4 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored(kind)) > 0);
  });
});
