import assert from 'node:assert/strict';
import fc from 'fast-check';
import { currentPlan, nextPlan, planAt } from '../../policies/plans.ts';
import { daysUntil, priceOf, rule, ruleVerdict, wishFaults } from '../../policies/quota-request.ts';

const now = new Date('2026-11-29T12:00:00Z');
const inDays = (days: number) => new Date(now.getTime() + days * 86_400_000);
const standing = { amount: 1_000, origin: 'plan' as const, now, grantedByRuleAt: null };
const team = currentPlan('team') ?? assert.fail();

describe('a request for more of a limit', () => {
  it('R5.3 is granted by the rule when it is small and short, and not again too soon', () => {
    const small = { amount: 1_250, until: inDays(7) };
    assert.equal(ruleVerdict(small, standing).granted, true);
    for (const [wish, about] of [
      [{ ...small, amount: 1_251 }, /25 %/],
      [{ ...small, until: inDays(7.01) }, /7 days/],
      [{ ...small, until: null }, /no end/],
    ] as const) {
      const { granted, reason } = ruleVerdict(wish, standing);
      assert.equal(granted, false);
      assert.match(reason, about);
    }
    const lately = { ...standing, grantedByRuleAt: inDays(-29) };
    assert.match(ruleVerdict(small, lately).reason, /last 30 days/);
    assert.equal(ruleVerdict(small, { ...standing, grantedByRuleAt: inDays(-31) }).granted, true);
  });

  it('R5.3 is never granted by the rule beyond its bounds, whatever is asked for', () => {
    const amounts = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(amounts, amounts, fc.integer({ min: 1, max: 4_000 }), (amount, current, hours) => {
        const until = inDays(hours / 24);
        if (!ruleVerdict({ amount, until }, { ...standing, amount: current }).granted) return;
        assert.ok(amount <= current * (1 + rule.morePercentMax / 100) && hours <= rule.daysMax * 24);
      }),
    );
  });

  it('R5.3 says every fault of what cannot be asked for', () => {
    const pointers = (wish: { amount: number; until: Date | null }, origin: 'plan' | 'tenant' = 'plan') =>
      wishFaults(wish, { ...standing, origin }).map(({ pointer }) => pointer);
    assert.deepEqual(pointers({ amount: 1_000, until: inDays(-1) }), ['/amount', '/until']);
    assert.deepEqual(pointers({ amount: 2_000, until: inDays(367) }), ['/until']);
    assert.deepEqual(pointers({ amount: 2_000, until: null }, 'tenant'), ['/quotaId']);
    assert.deepEqual(pointers({ amount: 1_001, until: inDays(1) }), []);
  });

  it('R5.3 costs what the plan says for each unit more, a month or for the time', () => {
    assert.deepEqual(priceOf(team, 'runs', 2_500, null), {
      currency: 'EUR',
      perMonthMinor: 6_00,
      totalMinor: null,
    });
    assert.equal(priceOf(team, 'runs', 2_500, daysUntil(inDays(15), now))?.totalMinor, 3_00);
    assert.equal(priceOf(planAt('team', 1), 'runs', 1, null), null);
    assert.equal(priceOf(team, undefined, 1, null), null);
  });

  it('R5.3 can be spared by the next plan that gives more, where there is one', () => {
    const next = (name: string) => nextPlan(currentPlan(name) ?? assert.fail(), 'runs')?.name;
    assert.deepEqual(['free', 'team', 'business'].map(next), ['team', 'business', undefined]);
  });
});
