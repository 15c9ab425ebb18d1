import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cellAdministrator, useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import type { Reading } from '../../models/tenant/usage.ts';
import { ingestReadings } from '../../models/tenant/usage-ingest.ts';
import { cell } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import {
  day,
  edges,
  emptied,
  hour,
  meteredTenant,
  reading,
  rowsOf,
  said,
  sumsOf,
  take,
} from '../support/usage.ts';

const killsMax = 12;

describe('the exactness of the meter', () => {
  let empty: Place;
  before(async () => {
    useConfig(await ownConfig());
    empty = await meteredTenant();
  });

  const edge = fc.constantFrom(...edges);
  const near = fc.oneof(
    fc.constantFrom(0, 1, -1, hour - 1, hour, day - 1, day),
    fc.integer({ min: -2 * day, max: 2 * day }),
  );
  const value = fc.oneof(
    fc.integer({ min: 0, max: 10 }),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    fc.constantFrom(0.1, 0.2, 1e-7, 123_456_789_012.345),
  );
  const sent = fc.record({
    id: fc.integer({ min: 0, max: 40 }).map((n) => `r${n}`),
    meter: fc.constantFrom('tokens.input' as const, 'storage.bytes' as const),
    agentId: fc.constantFrom('agt_a', 'agt_b', undefined),
    value,
    shift: near,
  });

  it('R5.1 has readings, hours and days sum to the same, whatever comes when and how often', async () => {
    await fc.assert(
      fc.asyncProperty(
        edge,
        fc.array(fc.array(sent, { maxLength: 12 }), { maxLength: 6 }),
        async (at, batches) => {
          const place = await emptied(empty);
          const now = new Date(at + 10 * day);
          const known = new Map<string, Reading>();
          for (const batch of batches) {
            const readings = batch.map(({ shift, ...more }) =>
              reading({ ...more, at: new Date(at + shift) }),
            );
            const verdicts = said(await take(place, readings, now));
            for (const [n, each] of readings.entries()) {
              assert.equal(verdicts[n], known.has(each.id) ? 'duplicate' : 'accepted');
              if (!known.has(each.id)) known.set(each.id, each);
            }
          }
          await agree(place, [...known.values()]);
        },
      ),
      { numRuns: 60 },
    );
  });

  async function agree(place: Place, readings: Reading[]): Promise<void> {
    const { raw, hours, days } = await sumsOf(place);
    assert.equal(raw.events, String(readings.length));
    assert.deepEqual([hours, days], [raw, raw]);
    const [same] = await rowsOf<{ same: boolean }>(
      place,
      'SELECT coalesce(sum(v), 0)::numeric = $1::numeric AS same FROM unnest($2::numeric[]) AS v',
      [raw.value, readings.map((each) => String(each.value))],
    );
    assert.ok(same?.same, 'the sum of what was sent');
    const wrong = await rowsOf(
      place,
      `SELECT 1 FROM usage_hours h FULL JOIN (
         SELECT series, date_bin('1 hour', at, timestamptz 'epoch') AS hour, sum(value) AS value, count(*) AS events, max(value) AS peak,
           (array_agg(value ORDER BY at DESC, value DESC))[1] AS last FROM usage_events GROUP BY 1, 2) e USING (series, hour)
       WHERE (h.value, h.events, h.peak, h.last) IS DISTINCT FROM (e.value, e.events, e.peak, e.last)
       UNION ALL SELECT 1 FROM usage_days d FULL JOIN (
         SELECT series, (at AT TIME ZONE 'UTC')::date AS day, sum(value) AS value, count(*) AS events, max(value) AS peak,
           (array_agg(value ORDER BY at DESC, value DESC))[1] AS last FROM usage_events GROUP BY 1, 2) e USING (series, day)
       WHERE (d.value, d.events, d.peak, d.last) IS DISTINCT FROM (e.value, e.events, e.peak, e.last)`,
    );
    assert.deepEqual(wrong, []);
  }

  it('R5.1 counts everything once under overlapping batches at once, with connections killed under them', async () => {
    const place = await meteredTenant();
    const all = Array.from({ length: 1_500 }, (_, n) =>
      reading({ id: `e${n}`, value: (n % 100) / 8, agentId: `agt_${n % 9}` }),
    );
    let accepted = 0;
    let killed = 0;
    const killer = setInterval(async () => {
      if (killed >= killsMax) return;
      const { rowCount } = await cellAdministrator(cell).query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'freehold'
           AND state <> 'idle' AND query ILIKE '%usage_keys%' AND pid <> pg_backend_pid() LIMIT 1`,
      );
      killed += rowCount ?? 0;
    }, 20);
    const sender = async (offset: number) => {
      for (let from = 0; from < all.length; from += 250) {
        // Each sender takes another slice, and every reading is in the batches of three of them.
        const batch = Array.from(
          { length: 500 },
          (_, n) => all[(offset + from + n) % all.length] ?? reading(),
        );
        for (;;) {
          try {
            const verdicts = await inTenant(place, ({ sql }) => ingestReadings(sql, shuffled(batch)));
            accepted += said(verdicts).filter((verdict) => verdict === 'accepted').length;
            break;
          } catch {
            // A connection was killed, or gave way: as a sender does that got no answer.
          }
        }
      }
    };
    await Promise.all([0, 250, 500, 777, 1_111, 1_300].map(sender));
    clearInterval(killer);
    assert.ok(killed > 0, 'nothing was killed, so nothing was shown');
    // An answer may be lost after its commit; then more is counted than was told of, and still nothing twice.
    assert.ok(accepted <= all.length);
    await agree(place, all);
  }).timeout(120_000);
});

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
