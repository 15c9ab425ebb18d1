import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { settleAllLimits, settleLimits } from '../../models/tenant/limit-watch.ts';
import { limitedTenant, ownDatabases } from '../support/limited.ts';
import { rowsOf } from '../support/usage.ts';

describe('restrictions that end in masses', () => {
  before(ownDatabases);

  /** As if so many limits had gone: nothing is the cause of any of them. */
  async function holding(warnings: number, refusals: number): Promise<Place> {
    const place = await limitedTenant([]);
    await inTenant(place, ({ sql }) =>
      sql(
        `INSERT INTO usage_restrictions (id, key, scope, scope_id, measure, cause, made_by, quota_id, data, since)
         SELECT 'rsn_' || lpad(n::text, 26, '0'), 'gone ' || n, 'agent', 'agt_x',
           CASE WHEN n <= $1 THEN 'warn' ELSE 'refuse' END, 'limit', 'tenant', 'gone', '{}', now()
         FROM generate_series(1, $1::int + $2::int) AS n`,
        [warnings, refusals],
      ),
    );
    return place;
  }
  const left = (place: Place) =>
    rowsOf(
      place,
      'SELECT measure, count(*)::int AS n FROM usage_restrictions WHERE ended_at IS NULL GROUP BY 1',
    );

  it('R5.4 end a thousand in a transaction and no more, those first that hold somebody up', async () => {
    const place = await holding(1_200, 10);
    const more = await inTenant(place, ({ sql }) => settleLimits(sql));
    assert.equal(more, true);
    assert.deepEqual(await left(place), [{ measure: 'warn', n: 210 }]);
  });

  it('R5.4 all end when the watch comes by, each with its event in the transaction that ends it', async () => {
    const place = await holding(2_100, 0);
    await settleAllLimits(place);
    assert.deepEqual(await left(place), []);
    const events = await rowsOf<{ n: number }>(
      place,
      "SELECT count(*)::int AS n FROM audit_events WHERE action = 'end UsageRestriction' GROUP BY xmin::text ORDER BY 1",
    );
    const rows = await rowsOf<{ n: number }>(
      place,
      'SELECT count(*)::int AS n FROM usage_restrictions GROUP BY xmin::text ORDER BY 1',
    );
    assert.deepEqual(rows, [{ n: 100 }, { n: 1_000 }, { n: 1_000 }]);
    assert.deepEqual(events, rows);
  });
});
