import assert from 'node:assert/strict';
import { config } from '../../models/databases.ts';
import { retained } from '../../models/retention.ts';
import { inSystem, inTenant, type Place } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { mirroredRequests, mirrorRow } from '../../models/system/quota-request.ts';
import { mirrorDays, mirroredDays } from '../../models/system/usage-mirror.ts';
import { applyRetention, batchRows } from '../../models/tenant/apply-retention.ts';
import { makeHold, releaseHold } from '../../models/tenant/legal-hold.ts';
import { ensureSchedules } from '../../temporal/schedules.ts';
import {
  type Around,
  combined,
  everythingTwice,
  failsForAWhile,
  recording,
  refuses,
} from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { aged, agedTenant, fill, nobodys, oldRows, say, triggerRetention } from '../support/retention.ts';
import { type Stage, setStage } from '../support/stage.ts';

const step = 'retainTenants';
const kind = 'apply-retention';
const tables = Object.keys(aged);
const all = (count: number) => Object.fromEntries(tables.map((table) => [table, count]));
// Two years of the trail are kept, whatever the plan says, unless a test says otherwise.
const short = {
  'retention.auditDays': 90,
  'retention.invitationDays': 90,
  'retention.usageDays': 400,
};
const by = { kind: 'user', id: 'usr_lawyer' };

type Receipt = { class: string; source: string; rule: string; count: number; digest: string };
const receiptsOf = (place: Place) =>
  inTenant(place, ({ sql }) =>
    sql<Receipt>('SELECT class, source, rule, count, digest FROM deletion_receipts ORDER BY id'),
  );

describe('the workflow apply-retention', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
    await ensureSchedules(config(), () => {});
  });
  after(() => stage.leave());

  async function tenant(document: object = short, each = 1): Promise<Place> {
    const place = await agedTenant(stage.principal);
    await say(place, document);
    await fill(place, each);
    return place;
  }

  async function run(...faults: Around[]): Promise<{ names: string[]; status: string }> {
    const recorded = { names: [] as string[], overlapping: [] };
    stage.faults.set('eu', combined(recording(recorded), ...faults));
    await stage.work();
    const status = await triggered();
    stage.faults.delete('eu');
    return { names: recorded.names, status };
  }

  let lastRun = '';
  async function triggered(): Promise<string> {
    const { workflowId, status } = await triggerRetention('eu');
    lastRun = workflowId;
    return status;
  }

  it('R6.3 deletes what is over, keeps what is not, and leaves a receipt for each', async () => {
    const place = await tenant();
    const ids = await inTenant(place, ({ sql }) =>
      sql<{ id: string }>("SELECT id FROM sessions WHERE expires_at < now() - interval '300 days'"),
    );
    assert.deepEqual(await oldRows(place), all(1));
    assert.deepEqual(await run(), { names: [step], status: 'COMPLETED' });
    assert.deepEqual(await oldRows(place), all(0));
    for (const [table, column] of Object.entries(aged)) {
      const [row] = await inTenant(place, ({ sql }) =>
        sql<{ count: number }>(
          `SELECT count(*)::int AS count FROM ${table} WHERE ${column} > now() - interval '1 day'`,
        ),
      );
      assert.ok((row?.count ?? 0) >= 1, table);
    }
    const receipts = await receiptsOf(place);
    assert.deepEqual(receipts.map(({ source }) => source.replaceAll('-', '_')).toSorted(), tables.toSorted());
    const [sessions] = receipts.filter((receipt) => receipt.source === 'sessions');
    assert.deepEqual(sessions, {
      class: 'sessions',
      source: 'sessions',
      rule: 'retention.sessionDays = 30 (default)',
      count: 1,
      digest: digest(ids[0]?.id ?? ''),
    });
    await replayWorkflow(kind, lastRun, 'succeeded');
  });

  it('R6.3 is tested here for every kind of thing that is deleted by rule', () => {
    assert.deepEqual(retained.map(({ table }) => table).toSorted(), tables.toSorted());
  });

  it('R6.3 deletes nothing of what is to be kept for ever', async () => {
    const days = ['session', 'signIn', 'invitation', 'audit', 'run', 'memory', 'webhook', 'usage'].map(
      (name) => [`retention.${name}Days`, null],
    );
    const place = await tenant(Object.fromEntries(days));
    await run();
    // Of some, nobody can say for how long.
    const unasked = retained.filter(({ days }) => typeof days === 'number').map(({ table }) => [table, 0]);
    assert.deepEqual(await oldRows(place), { ...all(1), ...Object.fromEntries(unasked) });
  });

  it('R6.3 R5.5 forgets of the mirror for operators what the organisation keeps no readings of, unless it is held', async () => {
    const place = await tenant();
    const { tenantId } = place;
    const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
    const days = [day(410), day(390)].map((at) => ({ day: at, meter: 'runs' as const, value: 1 }));
    await mirrorDays(tenantId, { days, from: day(500), takenUntil: new Date() });
    for (const ended of [410, 360])
      await inSystem(tenantId, ({ sql }) =>
        mirrorRow(sql, tenantId, {
          ...{ id: `qrq_${tenantId}_${ended}`, operation_id: 'op_x', quota_id: 'plan.runs', amount: 1 },
          ...{ state: 'refused', created_at: day(420), ended_at: day(ended) },
        }),
      );
    const kept = async () => [await mirroredDays(tenantId), await mirroredRequests(tenantId)];
    const hold = await inTenant(place, ({ sql }) =>
      makeHold(sql, { class: 'usage', subjectId: null, reason: 'a suit', by }),
    );
    await applyRetention(place);
    assert.deepEqual(await kept(), [2, 2]);
    await inTenant(place, ({ sql }) => releaseHold(sql, String(hold?.id), { reason: 'settled', by }));
    await applyRetention(place);
    assert.deepEqual(await kept(), [1, 1]);
  });

  it('R6.3 reads the setting anew before each batch: what was said a moment ago counts', async () => {
    const place = await tenant();
    await say(place, { ...short, 'retention.sessionDays': null, 'retention.auditDays': 1_000 });
    await applyRetention(place);
    assert.deepEqual(await oldRows(place), { ...all(0), sessions: 1, audit_events: 1 });
    await say(place, short);
    await applyRetention(place);
    assert.deepEqual(await oldRows(place), all(0));
  });

  it('R6.3 deletes nothing that is held, of a class or of a person, until it is released', async () => {
    const place = await tenant();
    const held = await fill(place);
    const [person, everything] = await inTenant(place, async ({ sql }) => [
      await makeHold(sql, { class: null, subjectId: held.userId, reason: 'a suit', by }),
      await makeHold(sql, { class: 'sessions', subjectId: null, reason: 'a suit', by }),
    ]);
    assert.ok(person && everything);
    await run();
    // Of two of each, the one of the person held is left; where nobody can say whose they are, both.
    const both = Object.fromEntries(nobodys.map((table) => [table, 2]));
    assert.deepEqual(await oldRows(place), { ...all(1), ...both, sessions: 2 });
    const release = (id: unknown) =>
      inTenant(place, ({ sql }) => releaseHold(sql, String(id), { reason: 'settled', by }));
    await release(everything.id);
    await run();
    assert.deepEqual(await oldRows(place), { ...all(1), ...both });
    await release(person.id);
    await run();
    assert.deepEqual(await oldRows(place), all(0));
  });

  it('R6.3 goes on, a batch at a time, with as many receipts', async () => {
    const place = await agedTenant(stage.principal);
    await inTenant(place, ({ sql }) =>
      sql(`INSERT INTO sign_in_failures (key, count, since)
           SELECT n, 1, now() - interval '400 days' FROM generate_series(1, ${batchRows * 2 + 1}) n`),
    );
    assert.deepEqual(await applyRetention(place), { receipts: 3, rows: batchRows * 2 + 1 });
    const counts = (await receiptsOf(place)).map(({ count }) => count);
    assert.deepEqual(counts.toSorted(), [1, batchRows, batchRows].toSorted());
  });

  for (const when of ['before', 'after'] as const)
    it(`R6.3 heals when deleting fails for a while ${when} its effect, and deletes nothing twice`, async () => {
      const place = await tenant();
      assert.equal((await run(failsForAWhile(step, when))).status, 'COMPLETED');
      assert.deepEqual(await oldRows(place), all(0));
      assert.equal((await receiptsOf(place)).length, tables.length);
    });

  it('R6.3 does everything twice as if it were once', async () => {
    const place = await tenant();
    assert.equal((await run(everythingTwice)).status, 'COMPLETED');
    assert.equal((await receiptsOf(place)).length, tables.length);
  });

  it('R6.3 fails when deleting is refused, and deletes when it comes by again', async () => {
    const place = await tenant();
    assert.equal((await run(refuses(step, 'before'))).status, 'FAILED');
    await replayWorkflow(kind, lastRun, 'failed');
    assert.deepEqual(await oldRows(place), all(1));
    assert.equal((await run()).status, 'COMPLETED');
    assert.deepEqual(await oldRows(place), all(0));
  });

  it('R6.3 comes to every tenant, page by page, past one that cannot be helped', async () => {
    const places = await Promise.all(Array.from({ length: 12 }, () => tenant()));
    const [broken] = places.toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1));
    assert.ok(broken);
    await inTenant(broken, ({ sql }) =>
      sql(`UPDATE setting_versions SET document = document || '{"retention.sessionDays":"long"}'`),
    );
    const { names, status } = await run();
    assert.equal(status, 'COMPLETED');
    assert.ok(names.length >= 2, `${names.length} pages`);
    for (const place of places)
      assert.deepEqual(await oldRows(place), { ...all(0), sessions: place === broken ? 1 : 0 });
  });

  it('R6.3 is finished by another worker when one is killed', async () => {
    await stage.rest();
    const place = await tenant();
    let ended: Promise<string> | undefined;
    await stage.killedAt(new Map([['eu', step]]), async () => {
      ended = triggered();
    });
    await stage.work();
    assert.equal(await ended, 'COMPLETED');
    assert.deepEqual(await oldRows(place), all(0));
    assert.equal((await receiptsOf(place)).length, tables.length);
  }).timeout(90_000);

  it('R6.3 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored(kind)) > 0);
  });
});
