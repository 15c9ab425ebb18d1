import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  allMeasures,
  defaultLadder,
  measuresFor,
  measuresMax,
  type Rung,
  type Standing,
} from '../../policies/usage-ladder.ts';
import { ladderFaults, rungs } from '../../policies/usage-ladder-shape.ts';

const monthly: Standing = {
  quotaId: 'plan.tokens',
  meter: 'tokens',
  window: 'month',
  windowMinutes: null,
  scope: 'tenant',
  scopeId: '',
  origin: 'plan',
  hard: true,
  limit: 1_000,
  used: 0,
  windowStart: new Date('2026-11-01T00:00:00Z'),
  windowEnd: new Date('2026-12-01T00:00:00Z'),
};

const rung: fc.Arbitrary<Rung> = fc
  .record({
    at: fc.integer({ min: 1, max: 200 }),
    quota: fc.constantFrom('any', 'hard', 'soft', 'plan.tokens', 'plan.runs'),
  })
  .chain((of) =>
    fc.constantFrom<Rung>(
      ...(['warn', 'queue', 'refuse', 'stop'] as const).map((measure) => ({ ...of, measure })),
      { ...of, measure: 'slow', factor: 0.5 },
      { ...of, measure: 'cheaper-model', models: [{ from: '*', to: 'small' }] },
    ),
  );
const ladders = fc.array(rung, { maxLength: 8 });
const standing: fc.Arbitrary<Standing> = fc
  .record({
    meter: fc.constantFrom<Standing['meter'][]>(
      'tokens',
      'runs',
      'seats',
      'storage.bytes',
      'api-calls',
      'egress.bytes',
    ),
    window: fc.constantFrom<Standing['window'][]>('month', 'level', 'minute', 'day', 'concurrent'),
    hard: fc.boolean(),
    limit: fc.integer({ min: 0, max: 1_000 }),
    used: fc.integer({ min: 0, max: 3_000 }),
    quotaId: fc.constantFrom('plan.tokens', 'plan.runs', 'qta_other'),
  })
  .map((given) => ({ ...monthly, ...given }));

const keysOf = (due: { key: string }[]) => new Set(due.map(({ key }) => key));
const without = (some: Set<string>, others: Set<string>) => [...some].filter((each) => !others.has(each));

describe('the ladder', () => {
  it('R5.4 only ever adds measures when more is used', () => {
    fc.assert(
      fc.property(ladders, standing, fc.nat(2_000), (ladder, one, more) => {
        const before = keysOf(allMeasures(ladder, [one]));
        const after = keysOf(allMeasures(ladder, [{ ...one, used: one.used + more }]));
        assert.deepEqual(without(before, after), []);
      }),
    );
  });

  it('R5.4 only ever takes measures away when a limit is raised', () => {
    fc.assert(
      fc.property(ladders, standing, fc.nat(2_000), (ladder, one, more) => {
        const before = keysOf(allMeasures(ladder, [one]));
        const after = keysOf(allMeasures(ladder, [{ ...one, limit: one.limit + more }]));
        assert.deepEqual(without(after, before), []);
      }),
    );
  });

  it('R5.4 takes every measure back by itself once nothing is used any more', () => {
    fc.assert(
      fc.property(ladders, standing, (ladder, one) => {
        const known = keysOf(allMeasures(ladder, [one]));
        const limit = Math.max(one.limit, 1);
        assert.deepEqual(allMeasures(ladder, [{ ...one, limit, used: 0 }], known), []);
      }),
    );
  });

  it('R5.4 asks again with what it knows and comes to the same, however often', () => {
    fc.assert(
      fc.property(ladders, fc.array(standing, { maxLength: 3 }), (ladder, all) => {
        const once = keysOf(allMeasures(ladder, all));
        assert.deepEqual(keysOf(allMeasures(ladder, all, once)), once);
      }),
    );
  });

  it('R5.4 does not begin and end a measure with each unit at the rung', () => {
    const at = (used: number, known: string[]) =>
      measuresFor(defaultLadder, [{ ...monthly, used }], new Set(known)).map(({ key }) => key);
    const begun = at(950, []);
    assert.equal(begun.length, 2);
    assert.deepEqual(at(940, begun), begun);
    assert.equal(at(940, []).length, 1);
    assert.equal(at(930, begun).length, 1);
  });

  it('R5.4 forgets at the turn of a window what held in the window before', () => {
    const [held] = measuresFor(defaultLadder, [{ ...monthly, used: 799.9 }], new Set());
    assert.equal(held, undefined);
    const before = measuresFor(defaultLadder, [{ ...monthly, used: 800 }]).map(({ key }) => key);
    const next = { ...monthly, windowStart: monthly.windowEnd, used: 799 };
    assert.deepEqual(measuresFor(defaultLadder, [next], new Set(before)), []);
  });

  it('R5.4 warns near every limit, and restricts only where it relieves', () => {
    const measuresOn = (change: Partial<Standing>) =>
      allMeasures(defaultLadder, [{ ...monthly, used: 2_000, ...change }]).map((due) => due.rung.measure);
    assert.deepEqual(measuresOn({}), ['warn', 'slow', 'refuse']);
    assert.deepEqual(measuresOn({ hard: false }), ['warn']);
    assert.deepEqual(measuresOn({ meter: 'seats', window: 'level' }), ['warn']);
    assert.deepEqual(measuresOn({ scope: 'run' }), []);
    assert.deepEqual(measuresOn({ window: 'minute' }), []);
    assert.deepEqual(measuresOn({ meter: 'storage.bytes', window: 'level' }), ['refuse', 'warn']);
  });

  it('R5.4 refuses over a hard limit that cannot be reserved beforehand, whatever the ladder says', () => {
    const bytes: Standing = { ...monthly, meter: 'storage.bytes', window: 'level', used: 1_000 };
    const [kept] = allMeasures([], [bytes]);
    assert.deepEqual([kept?.rung.measure, kept?.madeBy], ['refuse', 'platform']);
    assert.equal(allMeasures([], [{ ...bytes, origin: 'tenant' }])[0]?.madeBy, 'tenant');
    assert.deepEqual(allMeasures([], [{ ...bytes, hard: false }]), []);
    assert.deepEqual(allMeasures([], [{ ...monthly, used: 1_000 }]), []);
  });

  it('R5.4 has no more measures at once than can be told and looked after, the hardest and the platform’s first', () => {
    const ladder: Rung[] = Array.from({ length: 50 }, (_, at) => ({
      at: at + 1,
      quota: 'any',
      measure: 'warn',
    }));
    const byAgent = Array.from({ length: 200 }, (_, n): Standing => {
      const own = { quotaId: 'qta_own', scope: 'agent', origin: 'tenant', hard: false } as const;
      return { ...monthly, ...own, scopeId: `agt_${n}`, used: 1_000 };
    });
    const storage: Standing = {
      ...{ ...monthly, quotaId: 'plan.storageBytes', meter: 'storage.bytes', window: 'level' },
      used: 1_000,
    };
    const due = allMeasures([...ladder, { at: 100, quota: 'any', measure: 'stop' }], [...byAgent, storage]);
    assert.equal(due.length, measuresMax);
    assert.deepEqual([due[0]?.madeBy, due[0]?.rung.measure], ['platform', 'refuse']);
    assert.equal(due.filter(({ rung: { measure } }) => measure === 'stop').length, 200);
    const known = new Set(due.map(({ key }) => key));
    assert.deepEqual(keysOf(allMeasures(ladder, [...byAgent, storage], known)).size, measuresMax);
  });

  it('R5.4 is told of all its faults at once, each where it stands', () => {
    const ladder: Rung[] = [
      { at: 90, quota: 'qta_gone', measure: 'slow', factor: 0.5 },
      { at: 90, quota: 'plan.seats', measure: 'queue' },
      {
        at: 90,
        quota: 'any',
        measure: 'cheaper-model',
        models: [{ from: '*', to: 'x', providerId: 'llm_gone' }],
      },
      { at: 80, quota: 'any', measure: 'warn' },
      { at: 80, quota: 'any', measure: 'warn' },
    ];
    const faults = ladderFaults(ladder, {
      meterOf: (id) => (id === 'plan.seats' ? 'seats' : undefined),
      providers: [],
    });
    assert.deepEqual(
      faults.map(({ pointer, code }) => [pointer, code]),
      [
        ['/rungs/0/quota', 'unknown'],
        ['/rungs/1/measure', 'not-acceptable'],
        ['/rungs/4', 'duplicate'],
        ['/rungs/2/models/0/providerId', 'unknown'],
      ],
    );
    assert.equal(rungs.safeParse(defaultLadder).success, true);
    assert.equal(rungs.safeParse([{ at: 0, measure: 'slow', factor: 2 }]).error?.issues.length, 2);
  });
});
