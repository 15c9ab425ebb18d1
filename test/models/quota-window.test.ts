import assert from 'node:assert/strict';
import fc from 'fast-check';
import { windowStands, windowStart } from '../../models/tenant/quota-window.ts';
import { freeAgainAt, sliceOf, slicesWithin, windowOf } from '../../policies/quota-window.ts';
import type { QuotaWindow } from '../../policies/quotas.ts';
import { asked } from '../support/catalogue.ts';
import { ownDatabases } from '../support/limited.ts';

const of = (window: QuotaWindow, zone: string, at: string) => {
  const { start, end } = windowOf({ window, zone, windowMinutes: null }, new Date(at));
  return [start.toISOString(), end?.toISOString()];
};

describe('windows of limits', () => {
  before(ownDatabases);

  it('R5.2 end with the month, also in February of a leap year', () => {
    assert.deepEqual(of('month', 'UTC', '2028-02-29T23:59:59.999Z'), [
      '2028-02-01T00:00:00.000Z',
      '2028-03-01T00:00:00.000Z',
    ]);
    assert.deepEqual(of('day', 'UTC', '2028-02-29T12:00:00Z'), [
      '2028-02-29T00:00:00.000Z',
      '2028-03-01T00:00:00.000Z',
    ]);
    assert.deepEqual(of('month', 'Asia/Tokyo', '2027-12-31T15:00:00Z'), [
      '2027-12-31T15:00:00.000Z',
      '2028-01-31T15:00:00.000Z',
    ]);
  });

  it('R5.2 are an hour shorter or longer on the days on which the clocks change', () => {
    assert.deepEqual(of('day', 'Europe/Berlin', '2027-03-28T12:00:00Z'), [
      '2027-03-27T23:00:00.000Z',
      '2027-03-28T22:00:00.000Z',
    ]);
    assert.deepEqual(of('day', 'Europe/Berlin', '2027-10-31T12:00:00Z'), [
      '2027-10-30T22:00:00.000Z',
      '2027-10-31T23:00:00.000Z',
    ]);
    assert.deepEqual(of('week', 'Europe/Berlin', '2027-03-28T21:59:59Z'), [
      '2027-03-21T23:00:00.000Z',
      '2027-03-28T22:00:00.000Z',
    ]);
  });

  it('R5.2 have the hour that the clocks repeat twice, and the one they skip not at all', () => {
    assert.deepEqual(of('hour', 'Europe/Berlin', '2027-10-31T00:30:00Z')[0], '2027-10-31T00:00:00.000Z');
    assert.deepEqual(of('hour', 'Europe/Berlin', '2027-10-31T01:30:00Z')[0], '2027-10-31T01:00:00.000Z');
    assert.deepEqual(of('hour', 'Asia/Kolkata', '2027-10-31T01:45:00Z')[0], '2027-10-31T01:30:00.000Z');
  });

  it('R5.2 begin where the database says they begin, in every zone and at every moment', async () => {
    const zones = ['UTC', ...Intl.supportedValuesOf('timeZone')];
    const known = new Set(
      (await asked<{ name: string }>('SELECT name FROM pg_timezone_names')).map(({ name }) => name),
    );
    const windows = ['minute', 'hour', 'day', 'week', 'month'] as const;
    const sampled = fc.sample(
      fc.record({
        zone: fc.constantFrom(...zones.filter((zone) => known.has(zone))),
        window: fc.constantFrom(...windows),
        // Both have rules for these years; what is decided for later ones the two may learn at different times.
        at: fc.date({ min: new Date('2015-01-01'), max: new Date('2025-12-31'), noInvalidDate: true }),
      }),
      5_000,
    );
    const rows = await asked<{ n: number; start: Date }>(
      `SELECT q.n, ${windowStart('q.at')} AS start
       FROM jsonb_to_recordset($1::jsonb) AS q(n integer, time_window text, zone text, at timestamptz)`,
      [JSON.stringify(sampled.map(({ window, ...rest }, n) => ({ n, time_window: window, ...rest })))],
    );
    const differing = rows.filter(({ n, start }) => {
      const { zone, window, at } = sampled[n] ?? assert.fail();
      return windowOf({ window, zone, windowMinutes: null }, at).start.getTime() !== start.getTime();
    });
    assert.deepEqual(
      differing.map(({ n, start }) => ({ ...sampled[n], start })),
      [],
    );
  });

  it('R5.2 stand for as long as a process may remember them, also where clocks skip or repeat midnight', async () => {
    const zones = ['Atlantic/Azores', 'Africa/Cairo', 'Asia/Beirut', 'America/Santiago', 'America/Havana'];
    const more = ['UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns'];
    const [row] = await asked<{ moments: number; turned: number }>(
      `SELECT count(*)::int AS moments, count(*) FILTER (
         WHERE ${windowStart(`${windowStands('q.at')} - interval '1 millisecond'`)} <> ${windowStart('q.at')})::int AS turned
       FROM (SELECT zone, time_window, at FROM jsonb_array_elements_text($1::jsonb) AS zone,
           unnest('{minute,hour,day,week,month}'::text[]) AS time_window,
           generate_series(timestamptz '2024-03-01Z', '2024-05-10Z', '17 minutes') AS at
         UNION ALL SELECT zone, 'day', at FROM jsonb_array_elements_text($1::jsonb) AS zone,
           generate_series(timestamptz '2024-08-20Z', '2024-11-20Z', '17 minutes') AS at) AS q`,
      [JSON.stringify([...zones, ...more])],
    );
    assert.ok((row?.moments ?? 0) > 300_000);
    assert.equal(row?.turned, 0);
  });

  it('R5.2 begin one after the other, so that a clock that is set back counts in the window it was in', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland', 'UTC'),
        fc.constantFrom(
          'minute' as const,
          'hour' as const,
          'day' as const,
          'week' as const,
          'month' as const,
        ),
        fc.date({ min: new Date('2020-01-01'), max: new Date('2035-01-01'), noInvalidDate: true }),
        fc.integer({ min: 0, max: 7_200_000 }),
        (zone, window, at, backMs) => {
          const rule = { window, zone, windowMinutes: null };
          const { start, end } = windowOf(rule, at);
          assert.ok(start <= at && end !== null && at < end);
          assert.deepEqual(windowOf(rule, end).start, end);
          const back = new Date(at.getTime() - backMs);
          assert.equal(windowOf(rule, back).start.getTime() === start.getTime(), back >= start);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('R5.2 that roll never count less than what was used in them, and not for longer than a slice more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 44_640 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.double({ min: 0, max: 2, noNaN: true })), {
          maxLength: 30,
        }),
        (windowMinutes, uses) => {
          const rule = { windowMinutes };
          const now = new Date('2027-06-01T12:34:56.789Z');
          const windowMs = windowMinutes * 60_000;
          const sliceMs = windowMs / 60;
          let slices: Record<string, number> = {};
          const atOf = (ago: number) => new Date(now.getTime() - ago * windowMs);
          for (const [amount, ago] of uses) {
            const key = sliceOf(rule, atOf(ago));
            slices = { ...slices, [key]: (slices[key] ?? 0) + amount };
          }
          const within = (ms: number) =>
            uses.reduce(
              (sum, [amount, ago]) => sum + (now.getTime() - atOf(ago).getTime() <= ms ? amount : 0),
              0,
            );
          const counted = Object.values(slicesWithin(rule, slices, now)).reduce((sum, each) => sum + each, 0);
          assert.ok(counted >= within(windowMs - 1) && counted <= within(windowMs + sliceMs));
          const free = freeAgainAt(rule, slicesWithin(rule, slices, now), counted);
          if (counted > 0) assert.deepEqual(slicesWithin(rule, slices, free ?? assert.fail()), {});
        },
      ),
    );
  });
});
