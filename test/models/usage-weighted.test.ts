import assert from 'node:assert/strict';
import fc from 'fast-check';
import { useConfig } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import { ownConfig } from '../support/environment.ts';
import { day, edges, emptied, meteredTenant, reading, rowsOf, take } from '../support/usage.ts';

describe('a time-weighted meter', () => {
  let empty: Place;
  before(async () => {
    useConfig(await ownConfig());
    empty = await meteredTenant();
  });

  const edge = fc.constantFrom(...edges);

  /** Day by day, as a clock would have it: level times time. */
  function meanOn(changes: { at: number; value: number }[], from: number): number {
    let level = 0;
    let sum = 0;
    let since = from;
    for (const { at, value: change } of changes.toSorted((a, b) => a.at - b.at)) {
      if (at >= from + day) break;
      if (at > since) {
        sum += level * (at - since);
        since = at;
      }
      level += change;
    }
    return (sum + level * (from + day - since)) / day;
  }

  it('R5.1 knows the time-weighted mean of each day, in whatever order changes come', async () => {
    const change = fc.record({
      shift: fc.integer({ min: 0, max: 3 * day - 1 }),
      length: fc.integer({ min: 0, max: 2 * day }),
    });
    await fc.assert(
      fc.asyncProperty(
        edge,
        fc.array(change, { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        async (at, runs, late) => {
          const place = await emptied(empty);
          const start = Math.floor(at / day) * day;
          const changes = runs.flatMap(({ shift, length }) => [
            { at: start + shift, value: 1 },
            { at: start + shift + length, value: -1 },
          ]);
          const sentChanges = (late ? changes.toReversed() : changes).map(({ at: when, value: by }) =>
            reading({ meter: 'runs.concurrent', at: new Date(when), value: by }),
          );
          for (const each of [sentChanges.slice(0, 7), sentChanges.slice(7)])
            await take(place, each, new Date(start + 10 * day));
          for (let n = 0; n < 5; n++) {
            const from = start + n * day;
            const [row] = await rowsOf<{ mean: number }>(
              place,
              `SELECT ((SELECT coalesce(sum(value), 0) FROM usage_days WHERE day < $1::date) * 86400
               + (SELECT coalesce(sum(weighted), 0) FROM usage_days WHERE day = $1::date))::float8 / 86400 AS mean`,
              [new Date(from).toISOString().slice(0, 10)],
            );
            assert.ok(Math.abs((row?.mean ?? 0) - meanOn(changes, from)) < 1e-9, `day ${n}`);
          }
          const [hours] = await rowsOf<{ same: boolean }>(
            place,
            `SELECT NOT EXISTS (SELECT FROM usage_days d WHERE weighted <> (
             SELECT sum(weighted + value * extract(epoch FROM (d.day + 1)::timestamp AT TIME ZONE 'UTC' - hour - interval '1 hour'))
             FROM usage_hours h WHERE h.series = d.series AND (hour AT TIME ZONE 'UTC')::date = d.day)) AS same`,
          );
          assert.ok(hours?.same);
        },
      ),
      { numRuns: 60 },
    );
  });
});
