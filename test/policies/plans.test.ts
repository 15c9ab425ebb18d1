import assert from 'node:assert/strict';
import { currentPlan, planAt, plans } from '../../policies/plans.ts';
import { planLimitNames } from '../../policies/quotas.ts';

describe('the plans', () => {
  it('R1.3 each give every limit, and more the dearer they are', () => {
    const inOrder = ['free', 'team', 'business'].map((name) => currentPlan(name) ?? assert.fail(name));
    for (const [at, plan] of inOrder.entries()) {
      assert.deepEqual(Object.keys(plan.limits).sort(), planLimitNames.toSorted());
      const cheaper = inOrder[at - 1];
      if (!cheaper) continue;
      for (const name of planLimitNames)
        assert.ok((plan.limits[name] ?? 0) > (cheaper.limits[name] ?? 0), `${plan.name} ${name}`);
      assert.ok(plan.weight > cheaper.weight);
      assert.ok(plan.requestsPerMinute > cheaper.requestsPerMinute);
      assert.ok(plan.deletionGraceDays > cheaper.deletionGraceDays);
    }
  });

  it('R1.3 have one row for each version, and the newest is what is sold', () => {
    const versions = plans.map((plan) => `${plan.name} ${plan.version}`);
    assert.equal(new Set(versions).size, versions.length);
    for (const { name, version } of plans) {
      assert.ok((currentPlan(name)?.version ?? 0) >= version);
      assert.equal(planAt(name, version).version, version);
    }
  });

  it('R1.3 are not guessed: an unknown name or version is nobody’s', () => {
    for (const name of ['', 'Free', 'gold', 'constructor', '__proto__'])
      assert.equal(currentPlan(name), undefined);
    assert.throws(() => planAt('free', 99), /has no version 99/);
    assert.throws(() => planAt('gold', 1), /gold/);
  });

  it('R1.3 limit by whole numbers that a database can keep', () => {
    for (const { limits, requestsPerMinute, weight } of plans)
      for (const value of [...Object.values(limits), requestsPerMinute, weight])
        assert.ok(Number.isSafeInteger(value) && value > 0);
  });
});
