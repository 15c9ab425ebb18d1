import assert from 'node:assert/strict';
import { ScheduleClient } from '@temporalio/client';
import { config } from '../../models/databases.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { createSchedule } from '../../models/tenant/run-schedule.ts';
import { temporal } from '../../temporal/client.ts';
import { runDataConverter, temporalNamespaceOf } from '../../temporal/run-namespace.ts';
import { putRunSchedule } from '../../temporal/run-schedules.ts';
import { runScheduleId } from '../../workflows/run-registry.ts';
import {
  type Around,
  combined,
  everythingTwice,
  failsForAWhile,
  failureCount,
  recording,
} from '../support/faults.ts';
import { placed } from '../support/people.ts';
import { replaySealed, replayStoredRuns } from '../support/run-histories.ts';
import { ended, type Runner, runner } from '../support/run-stage.ts';
import { makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';

const step = 'fireRunSchedule';
const kind = 'start-scheduled-run';

/** What a calendar starts, when things go wrong: each time it is due comes to one run, whatever is tried again. */
describe('the workflow start-scheduled-run', () => {
  let stage: Stage;
  let outside: Outside;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  type Due = { by: Runner; scheduleId: string };
  async function due(): Promise<Due> {
    const by = await runner(stage.principal, outside);
    const place = await placed(by.tenantId);
    const workflowId = await makeWorkflow(by.tenantId, {
      steps: [{ id: 'only', kind: 'condition', if: 'true' }],
    });
    const given = {
      name: 'Nightly',
      target: { workflowId },
      environment: 'live',
      cron: '0 3 1 1 *',
      zone: 'UTC',
      overlap: 'allow',
      catchUpSeconds: 3_600,
      input: {},
      labels: {},
    } as const;
    const owner = { ownerId: by.principal.id, principal: by.principal };
    const keyring = await keyringOf(place);
    const scheduleId = await inTenant(place, ({ sql }) => createSchedule(sql, keyring, given, owner));
    const { tenantId } = by;
    await putRunSchedule({ ...given, tenantId, region: 'eu', scheduleId, version: 1, paused: false });
    return { by, scheduleId };
  }

  const handle = ({ by, scheduleId }: Due) =>
    new ScheduleClient({
      connection: temporal().connection,
      namespace: temporalNamespaceOf(config(), 'eu'),
      dataConverter: runDataConverter,
    }).getHandle(runScheduleId(by.tenantId, scheduleId));
  const trigger = (one: Due) => handle(one).trigger();
  const rows = async ({ by, scheduleId }: Due) =>
    inTenant(await placed(by.tenantId), async ({ sql }) => ({
      firings: await sql<{ fire: string; outcome: string; run_id: string }>(
        'SELECT fire, outcome, run_id FROM run_schedule_firings WHERE schedule_id = $1',
        [scheduleId],
      ),
      runs: await sql<{ id: string }>('SELECT id FROM runs'),
    }));

  /** It came to one run, which was carried out. */
  async function startedOnce(one: Due): Promise<string> {
    await until(async () => (await rows(one)).firings.length > 0);
    const { firings, runs } = await rows(one);
    assert.deepEqual(
      firings.map(({ outcome, run_id }) => [outcome, run_id]),
      runs.map(({ id }) => ['started', id]),
    );
    assert.equal(runs.length, 1);
    assert.equal((await ended(one.by, runs[0]?.id ?? '')).state, 'succeeded');
    // Nothing else comes of it later: the workflow itself has ended as well.
    await until(async () => (await handle(one).describe()).info.runningActions.length === 0);
    assert.equal((await rows(one)).runs.length, 1);
    return firings[0]?.fire ?? '';
  }

  async function run(...faults: Around[]): Promise<{ one: Due; names: string[] }> {
    const one = await due();
    const recorded = { names: [] as string[], overlapping: [] };
    stage.faults.set(one.by.tenantId, combined(recording(recorded), ...faults));
    await stage.work();
    await trigger(one);
    return { one, names: recorded.names };
  }

  it('R6.1 starts one run, and what Temporal keeps of it says nothing of the tenant’s', async () => {
    const { one, names } = await run();
    const workflowId = await startedOnce(one);
    assert.equal(names.filter((name) => name === step).length, 1);
    const text = await replaySealed(kind, { tenantId: one.by.tenantId, workflowId }, 'started');
    assert.ok(text.includes('Start the run') && !text.includes('Nightly'));
  });

  for (const when of ['before', 'after'] as const)
    it(`R6.1 heals when starting fails for a while ${when} its effect, and starts one run`, async () => {
      const { one, names } = await run(failsForAWhile(step, when));
      const attempts = () => names.filter((name) => name === step).length;
      // The run is there by the first of them whose reply is lost, and has to stay the only one.
      await until(async () => attempts() === failureCount + 1);
      await startedOnce(one);
    });

  it('R6.1 does everything twice as if it were once', async () => {
    const { one } = await run(everythingTwice);
    await startedOnce(one);
  });

  it('R6.1 is finished by another worker when one is killed, with one run', async () => {
    await stage.rest();
    const one = await due();
    await stage.killedAt(new Map([[one.by.tenantId, step]]), () => trigger(one));
    await stage.work();
    await startedOnce(one);
  }).timeout(90_000);

  it('R6.1 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStoredRuns(kind)) > 0);
  });
});
