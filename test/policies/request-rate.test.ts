import assert from 'node:assert/strict';
import { currentPlan, planAt } from '../../policies/plans.ts';
import { rateLimits, routeClasses, routeClassOf } from '../../policies/request-rate.ts';

const asker = { tenantId: 'ten_a', credentialId: 'key_a' };
const shown = (...given: Parameters<typeof rateLimits>) =>
  rateLimits(...given).map(({ name, perMinute }) => [name, perMinute]);

describe('the limits a request is under', () => {
  const free = currentPlan('free') ?? assert.fail();

  it('R5.2 are the plan’s, and the share of what kind of request it is', () => {
    assert.deepEqual(shown(free, asker, 'read'), [['minute', 600]]);
    assert.deepEqual(shown(free, asker, 'runs'), [
      ['minute', 600],
      ['minute-runs', 150],
    ]);
    for (const routeClass of routeClasses)
      assert.deepEqual(shown(planAt('free', 1), asker, routeClass), [['minute', 600]]);
  });

  it('R5.2 are a key’s own as well, which cannot be more than the plan’s', () => {
    assert.deepEqual(shown(free, { ...asker, keyPerMinute: 5 }, 'read').at(-1), ['minute-key', 5]);
    assert.deepEqual(shown(free, { ...asker, keyPerMinute: 10_000 }, 'read').at(-1), ['minute-key', 600]);
  });

  it('R5.4 become less by a factor for a tenant or for one credential, and never nothing', () => {
    const slow = (tenant: number, credential: number) => shown(free, asker, 'write', { tenant, credential });
    assert.deepEqual(slow(0.1, 1), [
      ['minute', 60],
      ['minute-write', 30],
    ]);
    assert.deepEqual(slow(1, 0.5).at(-1), ['minute-key', 300]);
    assert.deepEqual(
      slow(0, 0).map(([, perMinute]) => perMinute),
      [1, 1, 1],
    );
  });

  it('R5.4 are one person’s together, however many sessions and keys they make to get round it', () => {
    const slowed = { tenant: 1, credential: 0.1, whose: 'usr_a' };
    const of = (credentialId: string, keyPerMinute?: number) =>
      rateLimits(free, { ...asker, credentialId, keyPerMinute }, 'read', slowed).map(
        ({ counter }) => counter,
      );
    assert.deepEqual(of('ses_a'), of('ses_b'));
    assert.deepEqual(of('key_a', 100), ['ten_a', 'ten_a key_a', 'ten_a usr_a']);
  });

  it('R5.2 go by the route’s own class, or else by its method', () => {
    assert.equal(routeClassOf({ method: 'get' }), 'read');
    assert.equal(routeClassOf({ method: 'delete' }), 'write');
    assert.equal(routeClassOf({ method: 'post', routeClass: 'runs' }), 'runs');
  });
});
