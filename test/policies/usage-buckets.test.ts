import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type BucketSize, bucketBounds, momentIn, partsOf, type Span } from '../../policies/usage-buckets.ts';
import { calendarKey, moments, zones } from '../support/calendar.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const spans = fc
  .record({
    zone: fc.constantFrom(...zones),
    near: fc.constantFrom(...moments),
    before: fc.integer({ min: 0, max: 40 * dayMs }),
    length: fc.integer({ min: 1, max: 80 * dayMs }),
    bucket: fc.constantFrom<Exclude<BucketSize, 'hour'>>('day', 'week', 'month'),
  })
  .map(({ near, before, length, ...rest }) => ({
    from: near - before,
    until: near - before + length,
    ...rest,
  }));

describe('buckets of time', () => {
  it('R5.5 begin where the calendar of any zone says, with changes of clocks both ways, leap days and month ends', () => {
    fc.assert(
      fc.property(spans, (asked) => {
        const bounds = bucketBounds(asked, 10_000) ?? [];
        const key = calendarKey(asked.bucket, asked.zone);
        assert.deepEqual([bounds[0], bounds.at(-1)], [asked.from, asked.until]);
        for (const [at, from] of bounds.slice(0, -1).entries()) {
          const until = bounds[at + 1] ?? 0;
          assert.ok(from < until);
          assert.equal(key(from), key(until - 1), 'one bucket is one day, week or month');
          if (at > 0) assert.notEqual(key(from - 1), key(from), 'and the one before is another');
        }
      }),
      { numRuns: 400 },
    );
  });

  it('R5.5 are hours of real time: one that the clocks repeat is two, one that they skip is none', () => {
    const day = (date: string, zone: string) => {
      const [from = 0, until = 0] = [date, '2026-01-01'].map((text) => momentIn(text, zone) ?? 0);
      const end = bucketBounds({ from, until: from + 3 * dayMs, bucket: 'day', zone }, 10)?.[1] ?? until;
      return bucketBounds({ from, until: end, bucket: 'hour', zone }, 100) ?? [];
    };
    assert.equal(day('2025-10-26', 'Europe/Berlin').length - 1, 25);
    assert.equal(day('2025-03-30', 'Europe/Berlin').length - 1, 23);
    assert.equal(day('2025-03-31', 'Asia/Kathmandu').length - 1, 24);
    // Half an hour is repeated, and stands as a bucket of its own.
    const lengths = day('2025-04-06', 'Australia/Lord_Howe').map(
      (at, place, all) => (all[place + 1] ?? at) - at,
    );
    assert.equal(lengths.filter((length) => length === hourMs / 2).length, 1);
    assert.ok(lengths.slice(0, -1).every((length) => length <= hourMs));
  });

  it('R5.5 are not more than was allowed', () => {
    const year = { from: 0, until: 365 * dayMs, zone: 'UTC' };
    assert.equal(bucketBounds({ ...year, bucket: 'hour' }, 1_000), undefined);
    assert.equal(bucketBounds({ ...year, bucket: 'day' }, 365)?.length, 366);
  });

  it('R5.5 are read from whole days, whole hours and single readings, each moment from one of them', () => {
    fc.assert(
      fc.property(spans, (asked) => {
        const bounds = bucketBounds(asked, 10_000) ?? [];
        const { days, hours, events } = partsOf(bounds);
        assert.ok(days.every(({ from, until }) => from % dayMs === 0 && until % dayMs === 0));
        assert.ok(hours.every(({ from, until }) => from % hourMs === 0 && until % hourMs === 0));
        assert.ok(
          events.length <= bounds.length && events.every(({ from, until }) => until - from < 2 * hourMs),
        );
        const all = [...days, ...hours, ...events].sort((a, b) => a.from - b.from);
        assert.deepEqual(covered(all), { from: asked.from, until: asked.until });
        // No roll-up reaches over the end of a bucket.
        for (const { from, until } of days)
          assert.ok(bounds.every((at) => at <= from || at >= until || at % dayMs === 0));
      }),
    );
  });
});

function covered(all: Span[]): Span | undefined {
  for (const [at, span] of all.slice(1).entries()) assert.equal(span.from, all[at]?.until);
  const [first, last] = [all[0], all.at(-1)];
  return first && last && { from: first.from, until: last.until };
}
