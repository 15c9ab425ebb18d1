import assert from 'node:assert/strict';
import { useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { noteUsage } from '../../models/tenant/usage.ts';
import { foldSoon, foldUsage } from '../../models/tenant/usage-fold.ts';
import { ingestReadings } from '../../models/tenant/usage-ingest.ts';
import { ensureTenantSchema, removeTenantSchema } from '../../models/tenant-schema.ts';
import { ownConfig } from '../support/environment.ts';
import { until } from '../support/runs.ts';
import { meteredTenant, reading, rowsOf, said, sumsOf, take } from '../support/usage.ts';

const day = 86_400_000;
const ago = (ms: number) => new Date(Date.now() - ms);

describe('the meter', () => {
  let place: Place;
  before(async () => useConfig(await ownConfig()));
  beforeEach(async () => {
    place = await meteredTenant();
  });

  const counted = async () => (await sumsOf(place)).days.events;

  it('R5.1 takes each reading once, however often it is sent, and says which it knew', async () => {
    const [one, two] = [reading(), reading({ value: 2.5 })];
    assert.deepEqual(said(await take(place, [one, two, one])), ['accepted', 'accepted', 'duplicate']);
    assert.deepEqual(said(await take(place, [two, reading()])), ['duplicate', 'accepted']);
    // Another time, meter or value makes no other reading of it; another source does.
    const changed = { ...one, at: ago(day), value: 9, meter: 'tokens.output' as const };
    assert.deepEqual(said(await take(place, [changed, { ...one, source: 'other' }])), [
      'duplicate',
      'accepted',
    ]);
    const { raw, hours, days } = await sumsOf(place);
    assert.deepEqual([raw.value, raw.events], ['5.5', '4']);
    assert.deepEqual([hours, days], [raw, raw]);
  });

  it('R5.1 keeps source and id apart, whatever they hold', async () => {
    const verdicts = await take(place, [
      reading({ source: 'a', id: 'b/c' }),
      reading({ source: 'a/b', id: 'c' }),
    ]);
    assert.deepEqual(said(verdicts), ['accepted', 'accepted']);
  });

  it('R5.1 adds decimals as they were written', async () => {
    await take(
      place,
      Array.from({ length: 10 }, () => reading({ value: 0.1 })),
    );
    assert.equal((await sumsOf(place)).days.value, '1.0');
  });

  it('R5.1 counts nothing of an act that is rolled back', async () => {
    const failing = inTenant(place, async ({ sql }) => {
      await noteUsage(sql, [{ id: 'act', meter: 'runs', value: 1 }]);
      await ingestReadings(sql, [reading()]);
      throw new Error('the act failed');
    });
    await assert.rejects(failing, /the act failed/);
    await foldUsage(place);
    assert.equal(await counted(), '0');
    assert.deepEqual(said(await take(place, [reading({ agentId: 'agt_x' })])), ['accepted']);
  });

  it('R5.1 uses no series that was made in a transaction which was rolled back', async () => {
    const of = { agentId: 'agt_never' };
    const failing = inTenant(place, async ({ sql }) => {
      await ingestReadings(sql, [reading(of)]);
      await ingestReadings(sql, [reading(of)]);
      throw new Error('the act failed');
    });
    await assert.rejects(failing, /the act failed/);
    assert.deepEqual(said(await take(place, [reading(of)])), ['accepted']);
    assert.deepEqual(
      await rowsOf(place, 'SELECT agent_id FROM usage_series JOIN usage_days ON series = id'),
      [{ agent_id: 'agt_never' }],
    );
  });

  it('R5.1 takes no number of a series of a schema that was made anew', async () => {
    await take(place, [reading({ agentId: 'agt_a' }), reading({ agentId: 'agt_b' })]);
    await removeTenantSchema(place, 'op_removed');
    await ensureTenantSchema(place, 'op_anew');
    // In another order than before, so that what is remembered would be the number of another.
    await inTenant(place, ({ sql }) =>
      sql("INSERT INTO usage_series (meter, agent_id) VALUES ('runs', 'agt_c')"),
    );
    assert.deepEqual(said(await take(place, [reading({ agentId: 'agt_b' })])), ['accepted']);
    assert.deepEqual(
      await rowsOf(place, 'SELECT meter, agent_id FROM usage_series JOIN usage_hours ON series = id'),
      [{ meter: 'tokens.input', agent_id: 'agt_b' }],
    );
  });

  it('R5.1 takes the last 35 days into the sums and what is later as a correction beside them, and refuses the rest', async () => {
    const verdicts = await take(place, [
      reading({ id: 'new', at: ago(34 * day) }),
      reading({ id: 'late', at: ago(36 * day), value: 7 }),
      reading({ id: 'old', at: ago(401 * day) }),
      reading({ id: 'soon', at: ago(-4 * 60_000) }),
      reading({ id: 'ahead', at: ago(-6 * 60_000) }),
      reading({ id: 'none', at: new Date(Number.NaN) }),
      reading({ id: 'nan', value: Number.NaN }),
    ]);
    assert.deepEqual(said(verdicts), [
      'accepted',
      'corrected',
      'refused',
      'accepted',
      'refused',
      'refused',
      'refused',
    ]);
    assert.match(JSON.stringify(verdicts[2]), /older than 400 days/);
    assert.match(JSON.stringify(verdicts[4]), /5 minutes ahead/);
    assert.equal(await counted(), '2');
    const beside = await rowsOf(place, 'SELECT value::text FROM usage_corrections');
    assert.deepEqual(beside, [{ value: '7' }]);
    // Known as a correction, it is known as a reading of today as well.
    assert.deepEqual(said(await take(place, [reading({ id: 'late' }), reading({ id: 'old' })])), [
      'duplicate',
      'accepted',
    ]);
  });

  it('R5.1 counts acts of its own whatever the clock says of them', async () => {
    const acts = [ago(-3_600_000), ago(500 * day), ago(0)].map((at, n) =>
      reading({ source: 'freehold', id: `act-${n}`, at }),
    );
    assert.deepEqual(said(await take(place, acts)), ['accepted', 'corrected', 'accepted']);
    const [row] = await rowsOf<{ ahead: number }>(
      place,
      "SELECT count(*)::int AS ahead FROM usage_events WHERE at > now() + interval '1 minute'",
    );
    assert.equal(row?.ahead, 0);
  });

  it('R5.1 counts members of unique meters once a day, however often they come', async () => {
    const of = (member: string, at = new Date()) => reading({ meter: 'users.active', member, at });
    await take(place, [of('usr_a'), of('usr_a'), of('usr_b')]);
    await take(place, [of('usr_b'), of('usr_a', ago(day))]);
    assert.deepEqual(
      (await rowsOf<{ member: string }>(place, 'SELECT member FROM usage_members ORDER BY 1')).map(
        ({ member }) => member,
      ),
      ['usr_a', 'usr_a', 'usr_b'],
    );
  });

  it('R5.1 folds what acts noted, once, whoever folds', async () => {
    const acts = Array.from({ length: 2_500 }, (_, n) => ({
      id: `act-${n % 2_400}`,
      meter: 'tool-calls' as const,
      value: 1,
      agentId: `agt_${n % 7}`,
    }));
    await inTenant(place, ({ sql }) => noteUsage(sql, acts));
    await Promise.all([foldUsage(place), foldUsage(place), foldUsage(place)]);
    await foldUsage(place);
    const { raw, hours, days } = await sumsOf(place);
    assert.equal(raw.events, '2400');
    assert.deepEqual([hours, days], [raw, raw]);
    assert.deepEqual(await rowsOf(place, 'SELECT seq FROM usage_outbox'), []);
  });

  it('R5.1 folds soon after an act, however many ask for it', async () => {
    const note = (n: number) =>
      inTenant(place, ({ sql }) => noteUsage(sql, [{ id: `act-${n}`, meter: 'tool-calls', value: 1 }]));
    for (let n = 0; n < 20; n++) {
      await note(n);
      foldSoon(place);
    }
    await until(async () => (await counted()) === '20');
    await note(20);
    foldSoon(place);
    await until(async () => (await counted()) === '21');
  });

  it('R5.1 leaves what a newer version counts to a process that knows it', async () => {
    await inTenant(place, ({ sql }) =>
      sql(
        `INSERT INTO usage_outbox (event) VALUES ('{"id":"a","meter":"of.tomorrow","value":1,"at":"2026-01-01"}')`,
      ),
    );
    assert.deepEqual(await foldUsage(place), { readings: 0, batches: 0 });
    assert.equal((await rowsOf(place, 'SELECT seq FROM usage_outbox')).length, 1);
  });
});
