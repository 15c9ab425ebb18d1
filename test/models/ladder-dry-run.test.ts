import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import { simulate } from '../../models/tenant/ladder-simulation.ts';
import { charge } from '../../models/tenant/quota-charge.ts';
import { ingestReadings } from '../../models/tenant/usage-ingest.ts';
import { storeLadder } from '../../models/tenant/usage-ladder.ts';
import { settleRestrictions } from '../../models/tenant/usage-restriction-watch.ts';
import type { Rung } from '../../policies/usage-ladder.ts';
import { limitedTenant, ownDatabases } from '../support/limited.ts';
import { reading } from '../support/usage.ts';

const hourMs = 3_600_000;
const dayHours = 24;
const ladder: Rung[] = [
  { at: 60, quota: 'any', measure: 'warn' },
  { at: 75, quota: 'any', measure: 'slow', factor: 0.5 },
  { at: 90, quota: 'any', measure: 'queue' },
  { at: 100, quota: 'hard', measure: 'refuse' },
];

/** The same traffic each time: what comes from the generator is a number, and the number is in the test. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 48_271) % 2_147_483_647;
    yield state / 2_147_483_647;
  }
}

describe('the dry run of a ladder, and what really happens', () => {
  before(ownDatabases);

  const by = { kind: 'user' as const, id: 'usr_x', tenantId: 'ten_x' };
  const tenant = async (limits: Parameters<typeof limitedTenant>[0]): Promise<Place> => {
    const place = await limitedTenant(limits);
    await inTenant(place, async ({ sql }) => {
      await sql("UPDATE quotas SET created_at = now() - interval '1 year'");
      await storeLadder(sql, { rungs: ladder, author: by, reason: 'a test' });
    });
    return place;
  };

  const told = (episodes: { measure: string; of: string; from: Date; until: Date | null }[]): string[] =>
    episodes
      .map(({ measure, of, from, until }) =>
        [from.toISOString(), measure, of, until?.toISOString() ?? 'still'].join(' '),
      )
      .sort();

  /** Hour by hour: what was used is counted, and the watch looks at the end of each. */
  async function lived(place: Place, hours: { at: Date; value: number; agentId: string }[], until: number) {
    const first = Math.min(...hours.map(({ at }) => at.getTime()));
    for (let end = first + hourMs; end <= until; end += hourMs) {
      const now = new Date(end);
      const readings = hours
        .filter(({ at }) => at.getTime() === end - hourMs)
        .map(({ value, agentId }) =>
          reading({ meter: 'runs', value, agentId, at: new Date(end - hourMs / 2) }),
        );
      await inTenant(place, async ({ sql }) => {
        await ingestReadings(sql, readings, now);
        await charge(sql, readings);
        await settleRestrictions(sql, now);
      });
    }
  }

  for (const seed of [11, 23, 57])
    it(`R5.4 are the same, by the day and by agent, with the traffic of ${seed}`, async () => {
      const place = await tenant([
        { id: 'qta_all', meter: 'runs', window: 'day', amount: 100, hard: true },
        { id: 'qta_each', meter: 'runs', window: 'day', scope: 'agent', amount: 40, hard: false },
      ]);
      const random = numbers(seed);
      const next = () => Number(random.next().value);
      const until = Math.floor(Date.now() / hourMs) * hourMs;
      const hours = Array.from({ length: 3 * dayHours }, (_, hour) => ({
        at: new Date(until - (3 * dayHours - hour) * hourMs),
        value: Math.floor(next() * 12),
        agentId: next() < 0.5 ? 'agt_a' : 'agt_b',
      })).filter(({ value }) => value > 0);
      await lived(place, hours, until);
      const happened = await inTenant(place, ({ sql }) =>
        sql<{ measure: string; of: string; from: Date; until: Date | null }>(
          `SELECT measure, quota_id || ' ' || scope_id AS of, since AS "from", ended_at AS until FROM usage_restrictions`,
        ),
      );
      const { episodes } = await inTenant(place, ({ sql }) =>
        simulate(sql, { tenantId: place.tenantId, ladder, now: new Date(until) }),
      );
      const tried = episodes.map(({ rung, limit, from, until: end }) => ({
        measure: rung.measure,
        of: `${limit.quotaId} ${limit.scopeId}`,
        from,
        until: end,
      }));
      assert.ok(tried.length > 10, `only ${tried.length} episodes`);
      assert.deepEqual(told(tried), told(happened));
    });
});
