import assert from 'node:assert/strict';
import { config } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { noteUsage } from '../../models/tenant/usage.ts';
import { temporal } from '../../temporal/client.ts';
import { ensureSchedules } from '../../temporal/schedules.ts';
import { meterId } from '../../workflows/registry.ts';
import {
  type Around,
  combined,
  everythingTwice,
  failsForAWhile,
  recording,
  refuses,
} from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { agedTenant } from '../support/retention.ts';
import { triggered } from '../support/scheduled.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { rowsOf, sumsOf } from '../support/usage.ts';

const step = 'meterTenants';
const kind = 'meter-usage';

describe('the workflow meter-usage', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
    await ensureSchedules(config(), () => {});
    // Only as the tests say, for a run between them would take what they are about.
    await temporal().client.schedule.getHandle(meterId('eu', 'minute')).pause();
  });
  after(() => stage.leave());

  /** As a process leaves it that is killed between an act's commit and its folding. */
  async function left(notes = 3): Promise<Place> {
    const place = await agedTenant(stage.principal);
    await inTenant(place, ({ sql }) =>
      noteUsage(
        sql,
        Array.from({ length: notes }, (_, n) => ({ id: `act-${n}`, meter: 'tool-calls', value: 1 })),
      ),
    );
    return place;
  }

  const counted = async (place: Place) => {
    const { raw, days } = await sumsOf(place);
    assert.deepEqual(raw, days);
    return Number(days.events);
  };

  let lastRun = '';
  async function run(every: 'minute' | 'hour', ...faults: Around[]) {
    const recorded = { names: [] as string[], overlapping: [] };
    stage.faults.set('eu', combined(recording(recorded), ...faults));
    await stage.work();
    const { workflowId, status } = await triggered(meterId('eu', every));
    lastRun = workflowId;
    stage.faults.delete('eu');
    return { names: recorded.names, status };
  }

  it('R5.1 counts what acts left, once, and has nothing left to do', async () => {
    const place = await left();
    assert.deepEqual(await run('minute'), { names: [step], status: 'COMPLETED' });
    await replayWorkflow(kind, lastRun, 'succeeded');
    await run('minute');
    assert.equal(await counted(place), 3);
    assert.deepEqual(await rowsOf(place, 'SELECT seq FROM usage_outbox'), []);
  });

  it('R5.1 keeps partitions by the hour, and folds by the minute alone', async () => {
    const place = await left();
    await inTenant(place, ({ sql }) =>
      sql(`INSERT INTO usage_events (key, series, at, value)
           SELECT gen_random_uuid(), 1, now(), 1 FROM generate_series(1, 16000)`),
    );
    const partitions = async () =>
      (await rowsOf(place, "SELECT 1 FROM pg_inherits WHERE inhparent = 'usage_events'::regclass")).length;
    await run('minute');
    assert.equal(await partitions(), 1);
    assert.equal((await run('hour')).status, 'COMPLETED');
    assert.ok((await partitions()) >= 3);
  });

  for (const when of ['before', 'after'] as const)
    it(`R5.1 heals when counting fails for a while ${when} its effect, and counts nothing twice`, async () => {
      const place = await left();
      assert.equal((await run('minute', failsForAWhile(step, when))).status, 'COMPLETED');
      assert.equal(await counted(place), 3);
    });

  it('R5.1 does everything twice as if it were once', async () => {
    const place = await left();
    assert.equal((await run('minute', everythingTwice)).status, 'COMPLETED');
    assert.equal(await counted(place), 3);
  });

  it('R5.1 fails when counting is refused, and counts when it comes by again', async () => {
    const place = await left();
    assert.equal((await run('minute', refuses(step, 'before'))).status, 'FAILED');
    await replayWorkflow(kind, lastRun, 'failed');
    assert.equal(await counted(place), 0);
    assert.equal((await run('minute')).status, 'COMPLETED');
    assert.equal(await counted(place), 3);
  });

  it('R5.1 comes to every tenant, page by page, past one that cannot be helped', async () => {
    const places: Place[] = [];
    while (places.length < 16) places.push(await left(1));
    const [broken] = places.toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1));
    assert.ok(broken);
    await inTenant(broken, ({ sql }) => sql(`UPDATE usage_outbox SET event = event || '{"value":"much"}'`));
    const { names, status } = await run('minute');
    assert.equal(status, 'COMPLETED');
    assert.ok(names.length >= 2, `${names.length} pages`);
    for (const place of places) assert.equal(await counted(place), place === broken ? 0 : 1);
  });

  it('R5.1 is finished by another worker when one is killed', async () => {
    await stage.rest();
    const place = await left();
    let ended: Promise<{ status: string }> | undefined;
    await stage.killedAt(new Map([['eu', step]]), async () => {
      ended = triggered(meterId('eu', 'minute'));
    });
    await stage.work();
    assert.equal((await ended)?.status, 'COMPLETED');
    assert.equal(await counted(place), 3);
  }).timeout(90_000);

  it('R5.1 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored(kind)) > 0);
  });
});
