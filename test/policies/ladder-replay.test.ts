import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Hour,
  type Replayed,
  type ReplayedLimit,
  type Replaying,
  replay,
} from '../../policies/ladder-replay.ts';
import { allMeasures, defaultLadder, type Rung } from '../../policies/usage-ladder.ts';

const hourMs = 3_600_000;
const beginning = new Date('2026-11-01T00:00:00Z');
const at = (hours: number) => new Date(beginning.getTime() + hours * hourMs);
const daily: ReplayedLimit = {
  quotaId: 'qta_daily',
  meter: 'tokens',
  window: 'day',
  windowMinutes: null,
  scope: 'tenant',
  scopeId: '',
  origin: 'tenant',
  hard: true,
  limit: 100,
};
const used = (hours: number, value: number, more: Partial<Hour> = {}): Hour => ({
  hour: at(hours),
  meter: 'tokens.input',
  agentId: '',
  keyId: '',
  value,
  last: value,
  ...more,
});
const windowOf: Replaying['windowOf'] = ({ window }, when) => {
  if (window !== 'day') return { start: null, end: null };
  const start = new Date(Math.floor(when.getTime() / (24 * hourMs)) * 24 * hourMs);
  return { start, end: new Date(start.getTime() + 24 * hourMs) };
};
const given = {
  ...{ ladder: defaultLadder, limits: [daily], from: beginning, until: at(72), windowOf },
  episodesMax: 1_000,
};
function replayed(replaying: Replaying): Replayed {
  const steps = replay(replaying);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
const told = (hours: Hour[], change: Partial<Replaying> = {}) =>
  replayed({ ...given, hours, ...change }).episodes.map(({ rung, from, until }) => [
    rung.measure,
    (from.getTime() - beginning.getTime()) / hourMs,
    until && (until.getTime() - beginning.getTime()) / hourMs,
  ]);

describe('the dry run of a ladder', () => {
  it('R5.4 says when each rung would have begun, and that it would have ended with the window', () => {
    const hours = [
      used(2, 70),
      used(5, 15),
      used(6, 12, { meter: 'tokens.output' }),
      used(9, 10),
      used(30, 10),
    ];
    assert.deepEqual(told(hours), [
      ['warn', 6, 24],
      ['slow', 7, 24],
      ['refuse', 10, 24],
    ]);
  });

  it('R5.4 says what would still hold, and counts what came before the days that it goes through', () => {
    assert.deepEqual(told([used(1, 85), used(50, 90)], { from: at(24), until: at(71) }), [
      ['warn', 51, null],
    ]);
    assert.deepEqual(told([used(1, 85)], { from: at(3) }), [['warn', 2, 24]]);
  });

  it('R5.4 follows levels as they were measured, and rolling windows as they pass', () => {
    const bytes: ReplayedLimit = { ...daily, meter: 'storage.bytes', window: 'level' };
    const measured = [used(0, 50), used(3, 120), used(8, 40)].map((each) => ({
      ...each,
      meter: 'storage.bytes' as const,
    }));
    assert.deepEqual(told(measured, { limits: [bytes] }), [
      ['refuse', 4, 9],
      ['warn', 4, 9],
    ]);
    const rolling: ReplayedLimit = { ...daily, window: 'rolling', windowMinutes: 180 };
    assert.deepEqual(told([used(0, 90)], { limits: [rolling] }), [['warn', 1, 4]]);
  });

  it('R5.4 says which share of runs and requests would have been touched', () => {
    const runs = [1, 5, 12, 30].map((each) => used(each, 10, { meter: 'runs' }));
    const requests = [3, 13].map((each) => used(each, 100, { meter: 'api-calls' }));
    const [warn, slow, refuse] = replayed({ ...given, hours: [used(2, 100), ...runs, ...requests] }).episodes;
    assert.deepEqual(
      [warn?.runs, warn?.requests],
      [
        { count: 0, share: 0 },
        { count: 0, share: 0 },
      ],
    );
    assert.deepEqual(
      [slow?.runs, slow?.requests],
      [
        { count: 20, share: 0.5 },
        { count: 200, share: 1 },
      ],
    );
    assert.deepEqual(
      [refuse?.runs, refuse?.requests],
      [
        { count: 20, share: 0.5 },
        { count: 0, share: 0 },
      ],
    );
  });

  it('R5.4 tells apart agents, and counts for one only what is its own', () => {
    const limits = ['a', 'b'].map((scopeId) => ({ ...daily, scope: 'agent' as const, scopeId }));
    const hours = [used(1, 100, { agentId: 'a' }), used(2, 10, { agentId: 'b' })];
    const runs = ['a', 'b'].map((agentId) => used(5, 1, { agentId, meter: 'runs' }));
    const { episodes } = replayed({ ...given, limits, hours: [...hours, ...runs] });
    assert.deepEqual([...new Set(episodes.map(({ limit }) => limit.scopeId))], ['a']);
    assert.deepEqual(episodes.find(({ rung }) => rung.measure === 'refuse')?.runs, { count: 1, share: 0.5 });
  });

  it('R5.4 comes to what looking at each hour by itself comes to, whatever the traffic', () => {
    const traffic = fc.array(fc.record({ hour: fc.nat(71), value: fc.nat(60) }), { maxLength: 30 });
    const ladder: Rung[] = [...defaultLadder, { at: 50, quota: 'any', measure: 'queue' }];
    const windows = fc.constantFrom<Partial<ReplayedLimit>>({}, { window: 'rolling', windowMinutes: 300 });
    fc.assert(
      fc.property(traffic, windows, (all, window) => {
        const limit = { ...daily, ...window };
        const hours = all.map(({ hour, value }) => used(hour, value));
        const { episodes } = replayed({ ...given, ladder, limits: [limit], hours });
        let known = new Set<string>();
        for (let hour = 1; hour <= 72; hour += 1) {
          const now = at(hour);
          const { start, end } = windowOf(limit, now);
          const since = start ?? at(hour - 5);
          const within = hours.filter((each) => each.hour >= since && each.hour < now);
          const sum = within.reduce((total, { value }) => total + value, 0);
          const due = allMeasures(
            ladder,
            [{ ...limit, used: sum, windowStart: start, windowEnd: end }],
            known,
          );
          known = new Set(due.map(({ key }) => key));
          const held = episodes.filter(
            (each) => each.from <= now && (each.until === null || each.until > now),
          );
          assert.deepEqual(
            held.map(({ rung }) => rung.measure).sort(),
            due.map(({ rung }) => rung.measure).sort(),
          );
        }
      }),
      { numRuns: 50 },
    );
  });

  it('R5.4 tells of so many at most, the first, and how many more there were', () => {
    const hours = [used(2, 100), used(30, 100), used(54, 100)];
    const { episodes, further } = replayed({ ...given, hours, episodesMax: 4 });
    assert.deepEqual([episodes.length, further], [4, 5]);
    assert.deepEqual(
      new Set(episodes.map(({ from }) => from.getTime())),
      new Set([at(3), at(31)].map(Number)),
    );
  });

  it('R5.4 goes through more hours than a call has room for arguments, and stops after each', () => {
    const hours = Array.from({ length: 200_000 }, (_, n) => used(n % 72, 1, { agentId: `agt_${n}` }));
    const steps = replay({ ...given, hours });
    assert.equal(steps.next().done, false);
    assert.equal(replayed({ ...given, hours }).episodes.length, 9);
  });
});
