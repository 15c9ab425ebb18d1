import assert from 'node:assert/strict';
import fc from 'fast-check';
import { currentPlan, planAt, plans } from '../../policies/plans.ts';
import { rightSizing } from '../../policies/right-sizing.ts';
import { isPriced, monthOn, worthOf } from '../../policies/usage-cost.ts';
import { idleOf } from '../../policies/usage-report.ts';

const team = planAt('team', 2);
const month = (used: object) => ({ from: '2026-10-01T00:00:00.000Z', used });

describe('right-sizing', () => {
  it('R5.5 proposes the cheapest plan that the use of whole months fits into, and says what it saves', () => {
    const { proposed, current } = rightSizing({
      plan: team,
      plans,
      months: [month({ runs: 10, tokens: 1_000 })],
    });
    assert.deepEqual([current?.name, current?.monthMinor], ['team', 49_00]);
    assert.deepEqual([proposed?.name, proposed?.savingMinor], ['free', 49_00]);
  });

  it('R5.5 counts what a smaller plan would charge beyond its limits', () => {
    // Free includes 3 seats; the fourth to the seventh cost 12 each, the fifth would cost more than a whole team.
    const on = (seats: number) => rightSizing({ plan: team, plans, months: [month({ seats })] });
    assert.deepEqual([on(7).proposed?.name, on(7).proposed?.savingMinor], ['free', 1_00]);
    assert.equal(on(8).proposed, null);
    assert.deepEqual(
      on(8).compared.map(({ name }) => name),
      ['team', 'free', 'business'],
    );
  });

  it('R5.5 proposes a larger plan where more of the present one costs more', () => {
    const free = planAt('free', 2);
    const { proposed } = rightSizing({
      plan: free,
      plans,
      months: [month({ seats: 20 }), month({ seats: 20 })],
    });
    assert.deepEqual([proposed?.name, proposed?.savingMinor], ['team', 17 * 12_00 - 49_00]);
  });

  it('R5.5 says what is missing instead of guessing', () => {
    const none = rightSizing({ plan: team, plans, months: [] });
    assert.match(none.missing.join(), /One whole calendar month/);
    assert.equal(none.proposed, null);
    const old = rightSizing({ plan: planAt('team', 1), plans, months: [month({ runs: 5 })] });
    assert.match(old.missing.join(), /version 1 of the plan “Team”; those of its newest version stand in/);
    assert.equal(old.proposed?.savingMinor, 49_00);
  });

  it('R5.5 never proposes what costs more, whatever was used', () => {
    const used = fc.record({
      agents: fc.nat(3_000),
      seats: fc.nat(600),
      runs: fc.nat(2_000_000),
      tokens: fc.nat(2_000_000_000),
      storageBytes: fc.nat(2_000_000_000),
    });
    const months = fc.array(used.map(month), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(months, fc.constantFrom('free', 'team', 'business'), (given, name) => {
        const plan = currentPlan(name);
        if (!plan || !isPriced(plan)) return assert.fail('every plan has prices');
        const { proposed } = rightSizing({ plan, plans, months: given });
        const costs = given.map((each) => monthOn(plan, each.used) ?? 0);
        const present = Math.round(costs.reduce((sum, cost) => sum + cost, 0) / given.length);
        if (proposed) assert.equal(proposed.savingMinor, present - proposed.monthMinor);
        assert.ok((proposed?.savingMinor ?? 1) > 0);
      }),
    );
  });

  it('R5.5 never finds more idle than what the plan costs, in whole minor units', () => {
    for (const name of ['free', 'team', 'business']) {
      const plan = currentPlan(name) ?? assert.fail();
      const worth = (used: object) => idleOf(plan, used).map(({ worthMinor }) => worthMinor ?? assert.fail());
      const sum = (all: number[]) => all.reduce((total, each) => total + each, 0);
      const paid = plan.prices?.monthMinor ?? assert.fail();
      assert.ok(worth({}).every(Number.isInteger));
      assert.ok(sum(worth({})) <= paid && sum(worth({})) >= paid - 5, `${sum(worth({}))} of ${paid}`);
      assert.equal(sum(worth(plan.limits)), 0);
    }
  });

  it('R5.5 values tokens and runs at the plan’s prices', () => {
    assert.ok(isPriced(team));
    assert.equal(worthOf({ tokens: 1_000_000, runs: 1_000 }, team.prices), 40 + 2_00);
  });
});
