import assert from 'node:assert/strict';
import fc from 'fast-check';
import { useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import type { Place } from '../../models/scope.ts';
import { readUsage, type UsageSeries } from '../../models/tenant/usage-reading.ts';
import type { UsageQuestion } from '../../models/tenant/usage-statements.ts';
import { ensureTenantSchema } from '../../models/tenant-schema.ts';
import type { MeterName } from '../../policies/meters.ts';
import { type BucketSize, bucketBounds } from '../../policies/usage-buckets.ts';
import { moments, zones } from '../support/calendar.ts';
import { cell } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { naive } from '../support/naive-meter.ts';
import { emptyMeter, type Seeded, seedUsage } from '../support/seeded-meter.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const everything = () => ({ text: 'true', values: [] });
const meters: MeterName[] = ['tokens.input', 'runs', 'storage.bytes', 'users.active', 'runs.concurrent'];

type Given = {
  near: number;
  readings: Seeded[];
  from: number;
  until: number;
  bucket: BucketSize;
  zone: string;
};

const reading = fc.record({
  meter: fc.constantFrom(...meters),
  // To the second, and near the moment at which the calendar does something.
  at: fc.oneof(
    fc.integer({ min: -50, max: 50 }).map((hours) => hours * hourMs),
    fc.integer({ min: -4 * dayMs, max: 4 * dayMs }),
  ),
  value: fc.integer({ min: 1, max: 9_999 }),
  agentId: fc.constantFrom(undefined, 'agt_a', 'agt_b'),
  kind: fc.constantFrom(undefined, 'a', 'b'),
  member: fc.constantFrom('usr_a', 'usr_b', 'usr_c'),
  runId: fc.constantFrom(undefined, 'run_a', 'run_b'),
});
const given: fc.Arbitrary<Given> = fc
  .record({
    near: fc.constantFrom(...moments),
    zone: fc.constantFrom(...zones),
    bucket: fc.constantFrom<BucketSize>('hour', 'day', 'week', 'month'),
    from: fc.integer({ min: -5 * dayMs, max: 2 * dayMs }),
    length: fc.oneof(fc.integer({ min: 1, max: 8 * dayMs }), fc.constant(4 * dayMs)),
    readings: fc.array(reading, { maxLength: 60 }),
  })
  .map(({ near, zone, bucket, from, length, readings }) => ({
    ...{ near, zone, bucket, from: near + from, until: near + from + length },
    // Two readings of one moment have no last.
    readings: [
      ...new Map(
        readings.map((each, at) => [each.at, { ...shaped(each), at: near + each.at + at }]),
      ).values(),
    ],
  }));

/** As the product makes them: what is counted is one, a change of a level is one up or down, members are of one meter. */
function shaped({ meter, value, member, ...rest }: Omit<Seeded, 'value'> & { value: number }): Seeded {
  if (meter === 'users.active') return { ...rest, meter, value: 1, member };
  if (meter === 'runs') return { ...rest, meter, value: 1 };
  return { ...rest, meter, value: meter === 'runs.concurrent' && value % 2 === 0 ? -1 : value };
}

function same(found: number | null | undefined, wanted: number | null, about: string): void {
  if (found === null || wanted === null || found === undefined) assert.equal(found, wanted, about);
  else
    assert.ok(
      Math.abs(found - wanted) < 1e-6 * Math.max(1, Math.abs(wanted)),
      `${about}: ${found}, not ${wanted}`,
    );
}

describe('reading the meter', () => {
  let place: Place;

  before(async () => {
    useConfig(await ownConfig());
    place = { tenantId: newId('ten'), cell, login: 0 };
    await ensureTenantSchema(place, 'test');
  });

  async function read(asked: Partial<UsageQuestion> & Pick<UsageQuestion, 'bounds'>): Promise<UsageSeries[]> {
    const whole = { meters, groupBy: [], filter: {}, visible: everything, now: Date.now(), ...asked };
    const answer = await readUsage(place, whole);
    return answer?.series ?? assert.fail('too much for an answer');
  }

  function compare(found: UsageSeries, bounds: number[], own: Seeded[]): void {
    for (const [at, from] of bounds.slice(0, -1).entries()) {
      const until = bounds[at + 1] ?? from;
      const about = `${found.meter} ${JSON.stringify(found.of)} from ${new Date(from).toISOString()}`;
      same(found.values[at], naive(found.meter, { from, until }, own), about);
    }
    const [from = 0, until = 0] = [bounds[0], bounds.at(-1)];
    same(found.total, naive(found.meter, { from, until }, own), `${found.meter} in all`);
  }

  it('R5.5 comes to what its readings come to, in every zone, bucket and breakdown', async () => {
    await fc.assert(
      fc.asyncProperty(given, async ({ readings, ...asked }) => {
        await emptyMeter(place);
        await seedUsage(place, readings);
        const bounds = bucketBounds(asked, 10_000) ?? [];
        const of = (meter: MeterName) => readings.filter((each) => each.meter === meter);
        const plain = await read({ bounds });
        assert.deepEqual(plain.map(({ meter }) => meter).sort(), [...meters].sort());
        for (const series of plain) compare(series, bounds, of(series.meter));
        for (const series of await read({ bounds, groupBy: ['agentId', 'kind'] })) {
          const { agentId, kind } = series.of;
          const own = of(series.meter).filter(
            (each) => (each.agentId ?? '') === agentId && (each.kind ?? '') === kind,
          );
          compare(series, bounds, own);
        }
        for (const series of await read({ bounds, filter: { agentId: 'agt_a' } }))
          compare(
            series,
            bounds,
            of(series.meter).filter(({ agentId }) => agentId === 'agt_a'),
          );
        const counted: MeterName[] = ['tokens.input', 'runs'];
        for (const series of await read({ bounds, meters: counted, groupBy: ['runId'] }))
          compare(
            series,
            bounds,
            of(series.meter).filter(({ runId = '' }) => runId === series.of.runId),
          );
        for (const series of await read({ bounds, meters: counted, filter: { runId: 'run_b' } }))
          compare(
            series,
            bounds,
            of(series.meter).filter(({ runId }) => runId === 'run_b'),
          );
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('R5.5 shows readings that came too late beside the sums they were too late for', async () => {
    await emptyMeter(place);
    const at = Date.parse('2025-05-05T10:00:00Z');
    await seedUsage(place, [{ meter: 'tokens.input', at, value: 5, agentId: 'agt_a' }]);
    const late = { meter: 'tokens.input' as const, at: at + 2 * hourMs, value: 7, agentId: 'agt_b' };
    await seedUsage(place, [late], 'usage_corrections');
    const bounds = [at, at + hourMs, at + 3 * hourMs];
    const [plain] = await read({ bounds, meters: ['tokens.input'] });
    assert.deepEqual([plain?.values, plain?.total], [[5, 0], 5]);
    assert.deepEqual(plain?.corrections, [{ bucket: 1, readings: 1, value: 7 }]);
    const grouped = await read({ bounds, meters: ['tokens.input'], groupBy: ['agentId'] });
    assert.deepEqual(
      grouped.map(({ of, total, corrections }) => [of.agentId, total, corrections.length]),
      [
        ['agt_a', 5, 0],
        ['agt_b', 0, 1],
      ],
    );
  });

  it('R5.5 knows nothing of a bucket that has yet to begin, and of one under way what was until now', async () => {
    await emptyMeter(place);
    const start = Date.parse('2025-05-05T10:00:00Z');
    await seedUsage(place, [
      { meter: 'runs.concurrent', at: start + hourMs / 4, value: 2 },
      { meter: 'runs', at: start + hourMs / 4 },
    ]);
    const asked = { bounds: [start, start + hourMs, start + 2 * hourMs], now: start + hourMs / 2 };
    const [concurrent] = await read({ ...asked, meters: ['runs.concurrent'] });
    assert.deepEqual([concurrent?.values, concurrent?.total], [[1, null], 1]);
    const [runs] = await read({ ...asked, meters: ['runs'] });
    assert.deepEqual([runs?.values, runs?.total], [[1, null], 1]);
  });

  it('R5.5 shows whoever may see some of it just that', async () => {
    await emptyMeter(place);
    const at = Date.parse('2025-05-05T10:00:00Z');
    await seedUsage(place, [
      { meter: 'runs', at, userId: 'usr_a' },
      { meter: 'runs', at, userId: 'usr_b' },
      { meter: 'runs', at, keyId: 'key_c' },
    ]);
    const visible = (first: number) => ({
      text: `owner_id = ANY ($${first}::text[])`,
      values: ['{usr_a,key_c}'],
    });
    const [own] = await read({ bounds: [at, at + hourMs], meters: ['runs'], visible });
    assert.equal(own?.total, 2);
  });
});
