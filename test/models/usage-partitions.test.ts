import assert from 'node:assert/strict';
import { useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { makeHold, releaseHold } from '../../models/tenant/legal-hold.ts';
import { previewOf } from '../../models/tenant/preview.ts';
import { keepUsagePartitions, monthOf } from '../../models/usage-partitions.ts';
import { aheadMinutes, keyDays, readingWindow } from '../../policies/usage-window.ts';
import { ownConfig } from '../support/environment.ts';
import { say } from '../support/retention.ts';
import { meteredTenant, reading, rowsOf, said, sumsOf, take } from '../support/usage.ts';

const day = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * day);
const by = { kind: 'user', id: 'usr_lawyer' };

describe('the partitions of the meter', () => {
  before(async () => useConfig(await ownConfig()));

  const months = async (place: Place) =>
    (
      await rowsOf<{ name: string }>(
        place,
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'usage_events'::regclass ORDER BY 1",
      )
    ).map(({ name }) => name.replace(/^.*usage_events_/, ''));
  const rows = async (place: Place) =>
    (await rowsOf<{ count: number }>(place, 'SELECT count(*)::int AS count FROM usage_events'))[0]?.count;

  /** Enough to be worth partitions, over the last five weeks. */
  async function busy(): Promise<Place> {
    const place = await meteredTenant();
    for (let batch = 0; batch < 16; batch++)
      await take(
        place,
        Array.from({ length: 1_000 }, (_, n) => reading({ at: ago((n * 34) / 1_000), runId: `run_${n}` })),
      );
    return place;
  }

  it('R5.1 leaves what is little in the rest', async () => {
    const place = await meteredTenant();
    await take(place, [reading(), reading({ at: ago(30) })]);
    await keepUsagePartitions(place);
    assert.deepEqual(await months(place), ['rest']);
  });

  it('R5.1 makes each month of a busy tenant a partition, with the next, moves what waited, and loses nothing', async () => {
    const place = await busy();
    const before = await sumsOf(place);
    await keepUsagePartitions(place);
    const made = await months(place);
    const names = [ago(33), ago(0)].map((at) => monthOf(at).replace('-', '_'));
    for (const name of names) assert.ok(made.includes(name), `${name} in ${made}`);
    assert.ok(
      made.some((name) => /^\d/.test(name) && name > (names[1] ?? '')),
      'the next month',
    );
    assert.deepEqual(await sumsOf(place), before);
    const [rest] = await rowsOf(
      place,
      "SELECT count(*)::int AS count FROM usage_events WHERE tableoid = 'usage_events_rest'::regclass",
    );
    assert.deepEqual(rest, { count: 0 });
    await take(place, [reading(), reading({ at: ago(10) })]);
    await keepUsagePartitions(place);
    assert.deepEqual(await months(place), made);
    assert.equal(await rows(place), 16_002);
  });

  it('R5.1 takes readings while partitions are made', async () => {
    const place = await busy();
    const sent = Array.from({ length: 20 }, () => [reading(), reading({ at: ago(20) })]);
    const [, ...verdicts] = await Promise.all([
      keepUsagePartitions(place),
      ...sent.map((each) => take(place, each)),
    ]);
    assert.deepEqual(new Set(verdicts.flatMap(said)), new Set(['accepted']));
    assert.equal(await rows(place), 16_040);
    const { raw, hours, days } = await sumsOf(place);
    assert.deepEqual([hours, days], [raw, raw]);
  });

  it('R5.1 counts the bytes of partitions once where it says how much there is', async () => {
    const place = await busy();
    const { bytes } = await previewOf(place);
    await keepUsagePartitions(place);
    const [events] = await rowsOf<{ bytes: number }>(
      place,
      `SELECT sum(pg_total_relation_size(inhrelid))::float8 AS bytes FROM pg_inherits WHERE inhparent = 'usage_events'::regclass`,
    );
    assert.ok((events?.bytes ?? 0) > 1_000_000);
    const after = (await previewOf(place)).bytes;
    // Each copied row stands there once, with the same columns.
    assert.ok(Math.abs(after - bytes) < bytes / 4, `${bytes}, then ${after}`);
  });

  it('R5.1 drops a month when all of it is past its days, with a receipt, unless a legal hold keeps it', async () => {
    const place = await busy();
    await keepUsagePartitions(place);
    const { days } = await sumsOf(place);
    const old = (await months(place))[0] ?? '';
    const [year = 0, month = 0] = old.split('_').map(Number);
    const later = new Date(Date.UTC(year, month, 1) + 401 * day);
    await say(place, { 'retention.usageDays': 400 });
    const hold = await inTenant(place, ({ sql }) =>
      makeHold(sql, { class: 'usage', subjectId: null, reason: 'a suit', by }),
    );
    await keepUsagePartitions(place, later);
    assert.ok((await months(place)).includes(old));
    await inTenant(place, ({ sql }) => releaseHold(sql, String(hold.id), { reason: 'settled', by }));
    const [{ count = 0 } = {}] = await rowsOf<{ count: number }>(
      place,
      "SELECT count(*)::int AS count FROM usage_events WHERE to_char(at AT TIME ZONE 'UTC', 'YYYY_MM') = $1",
      [old],
    );
    await keepUsagePartitions(place, later);
    assert.ok(!(await months(place)).includes(old));
    assert.equal(await rows(place), 16_000 - count);
    assert.deepEqual((await sumsOf(place)).days, days, 'sums stay');
    assert.deepEqual(await rowsOf(place, 'SELECT class, source, rule, count FROM deletion_receipts'), [
      { class: 'usage', source: 'usage-events', rule: 'retention.usageDays = 400 (tenant)', count },
    ]);
    assert.equal(
      (await rowsOf(place, "SELECT 1 FROM audit_events WHERE action = 'apply retention'")).length,
      1,
    );
  });

  it('R5.1 deletes rows of the rest when they are past their days, and keeps them while they are held', async () => {
    const place = await meteredTenant();
    await take(place, [reading(), reading()]);
    await inTenant(place, ({ sql }) => sql("UPDATE usage_events SET at = at - interval '801 days'"));
    await take(place, [reading()]);
    const hold = await inTenant(place, ({ sql }) =>
      makeHold(sql, { class: null, subjectId: null, reason: 'a suit', by }),
    );
    await keepUsagePartitions(place);
    assert.equal(await rows(place), 3);
    await inTenant(place, ({ sql }) => releaseHold(sql, String(hold.id), { reason: 'settled', by }));
    await keepUsagePartitions(place);
    assert.equal(await rows(place), 1);
    assert.deepEqual(await rowsOf(place, 'SELECT source, count FROM deletion_receipts'), [
      { source: 'usage-events', count: 2 },
    ]);
  });

  it('R5.1 forgets keys only of what is too old to be taken again', async () => {
    const place = await meteredTenant();
    const known = reading();
    await take(place, [known, reading()]);
    await inTenant(place, ({ sql }) =>
      sql(`UPDATE usage_keys SET at = at - CASE WHEN key = (SELECT min(key::text)::uuid FROM usage_keys)
             THEN interval '401 days' ELSE interval '403 days' END`),
    );
    await keepUsagePartitions(place);
    assert.equal((await rowsOf(place, 'SELECT key FROM usage_keys')).length, 1);
  });

  it('R5.1 keeps keys for longer than a reading of their time is taken, whenever it came', () => {
    for (const ahead of [-399, -35, 0, aheadMinutes / 1_440]) {
      const came = new Date();
      const at = new Date(came.getTime() + ahead * day);
      const forgotten = new Date(came.getTime() + keyDays * day);
      assert.ok('taken' in readingWindow(at, came));
      assert.ok('refused' in readingWindow(at, forgotten));
    }
  });
});
