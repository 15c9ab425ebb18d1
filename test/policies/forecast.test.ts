import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Forecast, forecast, forecastLevel, horizonDays } from '../../policies/forecast.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A Sunday, at the beginning of an hour. */
const now = new Date('2026-11-29T12:00:00Z');
const ago = (hours: number) => now.getTime() - hours * hourMs;
const inHours = (hours: number) => new Date(now.getTime() + hours * hourMs);

const constant = (perHour: number, hours: number) =>
  Array.from({ length: hours }, (_, index) => ({ at: ago(index + 1), used: perHour }));

const history = fc.array(
  fc.record({ at: fc.integer({ min: 0, max: 60 * 24 }).map(ago), used: fc.integer({ min: 0, max: 10_000 }) }),
  { maxLength: 400 },
);
const left = fc.integer({ min: 0, max: 10_000_000 });
const reset = fc.option(
  fc.integer({ min: 1, max: 40 * 24 }).map((hours) => inHours(hours)),
  { nil: null },
);

const momentOf = ({ exhausted, exhaustedAt }: Forecast): number =>
  exhausted ? now.getTime() : (exhaustedAt?.getTime() ?? Infinity);

describe('the forecast of exhaustion', () => {
  it('R5.3 reaches the limit when what is left is used up at the pace of the last day', () => {
    const found = forecast({ hours: constant(10, 30), left: 250, now, resetsAt: null });
    assert.deepEqual(found, {
      exhausted: false,
      exhaustedAt: inHours(25),
      basis: 'recent-mean',
      perHour: 10,
    });
  });

  it('R5.3 says that there is none in this window when the window ends before', () => {
    const found = forecast({ hours: constant(10, 30), left: 250, now, resetsAt: inHours(24) });
    assert.equal(found.exhaustedAt, null);
    assert.equal(forecast({ hours: [], left: 1, now, resetsAt: null }).basis, 'none');
  });

  it('R5.3 knows the hours of the week when there are whole weeks of them', () => {
    // On working days from nine to five, four weeks long, 100 an hour.
    const hours = constant(100, 28 * 24).filter(({ at }) => {
      const moment = new Date(at);
      return moment.getUTCDay() % 6 !== 0 && moment.getUTCHours() >= 9 && moment.getUTCHours() < 17;
    });
    const found = forecast({ hours, left: 850, now, resetsAt: null });
    assert.equal(found.basis, 'weekly-pattern');
    assert.equal(found.perHour, 0);
    // Eight hours on Monday, and half of the first on Tuesday.
    assert.deepEqual(found.exhaustedAt, new Date('2026-12-01T09:30:00Z'));
  });

  it('R5.3 follows the last week when it was busier than those before it', () => {
    const hours = constant(1, 28 * 24).map((hour) => (hour.at >= ago(168) ? { ...hour, used: 1.5 } : hour));
    const found = forecast({ hours, left: 15, now, resetsAt: null });
    assert.equal(found.basis, 'weekly-pattern');
    assert.ok(Math.abs(momentOf(found) - inHours(10).getTime()) < 1_000);
  });

  it('R5.3 forgets the habit when the last day is nothing like it', () => {
    const hours = constant(1, 28 * 24).map((hour) => (hour.at >= ago(6) ? { ...hour, used: 100 } : hour));
    const found = forecast({ hours, left: 618, now, resetsAt: null });
    assert.equal(found.basis, 'recent-mean');
    assert.deepEqual(found.exhaustedAt, inHours(24));
  });

  it('R5.3 is never before now, never after the window, and now when nothing is left', () => {
    fc.assert(
      fc.property(history, left, reset, (hours, left, resetsAt) => {
        const found = forecast({ hours, left, now, resetsAt });
        const latest = resetsAt?.getTime() ?? now.getTime() + horizonDays * dayMs;
        if (found.exhaustedAt)
          assert.ok(momentOf(found) >= now.getTime() && momentOf(found) <= latest, String(found.exhaustedAt));
        if (left === 0) assert.deepEqual([found.exhausted, found.exhaustedAt], [true, null]);
        assert.ok(found.perHour >= 0 && Number.isFinite(found.perHour));
      }),
    );
  });

  it('R5.3 comes no sooner when more is left, and no matter in which order hours are told', () => {
    fc.assert(
      fc.property(history, left, left, reset, (hours, one, other, resetsAt) => {
        const asked = { hours, now, resetsAt };
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        assert.ok(
          momentOf(forecast({ ...asked, left: less })) <= momentOf(forecast({ ...asked, left: more })),
        );
        const reversed = forecast({ ...asked, hours: hours.toReversed(), left: one });
        const told = forecast({ ...asked, left: one });
        assert.equal(reversed.basis, told.basis);
        if (told.exhaustedAt) assert.ok(Math.abs(momentOf(reversed) - momentOf(told)) <= 1);
      }),
    );
  });

  it('R5.3 does not depend on the unit in which use and limit are told', () => {
    fc.assert(
      fc.property(history, left, fc.constantFrom(2, 1_024, 1_048_576), (hours, left, factor) => {
        const told = forecast({ hours, left, now, resetsAt: null });
        const scaled = hours.map(({ at, used }) => ({ at, used: used * factor }));
        const again = forecast({ hours: scaled, left: left * factor, now, resetsAt: null });
        assert.equal(again.basis, told.basis);
        // Powers of two only move the exponent.
        assert.deepEqual(again.exhaustedAt, told.exhaustedAt);
      }),
    );
  });
});

describe('the forecast of a level', () => {
  it('R5.3 follows the line of the last measurements', () => {
    const levels = [
      { at: ago(48), level: 100 },
      { at: ago(24), level: 130 },
    ];
    const found = forecastLevel(levels, { at: now.getTime(), level: 148 }, 160);
    assert.deepEqual(found, { exhausted: false, exhaustedAt: inHours(12), basis: 'trend', perHour: 1 });
  });

  it('R5.3 has no end when nothing grows, and is now when the limit is reached', () => {
    const at = now.getTime();
    assert.equal(forecastLevel([{ at: ago(48), level: 9 }], { at, level: 9 }, 10).exhaustedAt, null);
    assert.equal(forecastLevel([{ at: ago(48), level: 9 }], { at, level: 3 }, 10).exhaustedAt, null);
    assert.ok(forecastLevel([], { at, level: 10 }, 10).exhausted);
    assert.equal(forecastLevel([{ at: ago(1_000), level: 1 }], { at, level: 2 }, 10_000).exhaustedAt, null);
  });
});
