import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type HourOf, leaks, probes, type Rules, spikes } from '../../policies/abuse.ts';

const rules: Rules = {
  rules: ['spike', 'key-places', 'key-refusals'],
  spikeFactor: 10,
  spikeLeast: { 'api-calls': 1_000, runs: 100, tokens: 1_000 },
  keyNetworks: 20,
  keyRefusals: 50,
};
const hour: HourOf = { scope: 'key', scopeId: 'key_x', meter: 'runs', used: 0, usual: 50, daysSeen: 14 };

describe('what looks like abuse', () => {
  it('R5.4 is an hour far above the same hours before, and not one that is merely busy', () => {
    assert.deepEqual(spikes(rules, [{ ...hour, used: 500 }]), []);
    assert.deepEqual(spikes(rules, [{ ...hour, used: 501 }]), [
      { rule: 'spike', scope: 'key', scopeId: 'key_x', meter: 'runs', used: 501, limit: 500 },
    ]);
    assert.deepEqual(spikes(rules, [{ ...hour, usual: 1, used: 100 }]), [], 'too few to be anything');
    assert.equal(spikes(rules, [{ ...hour, usual: 1, used: 101 }]).length, 1);
  });

  it('R5.4 is no spike of somebody who has only just begun, short of what is beyond all measure', () => {
    assert.deepEqual(spikes(rules, [{ ...hour, usual: 0, daysSeen: 0, used: 1_000 }]), []);
    assert.equal(spikes(rules, [{ ...hour, usual: 0, daysSeen: 0, used: 1_001 }]).length, 1);
  });

  it('R5.4 is a key that comes from many more networks than ever, or is refused again and again', () => {
    assert.deepEqual(leaks(rules, [{ keyId: 'k', networks: 20, most: 1 }]), []);
    assert.equal(leaks(rules, [{ keyId: 'k', networks: 21, most: 1 }])[0]?.limit, 20);
    assert.deepEqual(
      leaks(rules, [{ keyId: 'k', networks: 100, most: 40 }]),
      [],
      'it always comes from so many',
    );
    assert.deepEqual(probes(rules, [{ keyId: 'k', refusals: 50 }]), []);
    assert.equal(probes(rules, [{ keyId: 'k', refusals: 51 }])[0]?.rule, 'key-refusals');
  });

  it('R5.4 is found more often when more is done, and never when its rule is switched off', () => {
    const some = fc.record({ used: fc.nat(100_000), usual: fc.nat(10_000), daysSeen: fc.nat(14) });
    fc.assert(
      fc.property(some, fc.nat(10_000), (given, more) => {
        const count = (used: number) => spikes(rules, [{ ...hour, ...given, used }]).length;
        assert.ok(count(given.used + more) >= count(given.used));
        assert.deepEqual(spikes({ ...rules, rules: [] }, [{ ...hour, ...given }]), []);
      }),
    );
    assert.deepEqual(leaks({ ...rules, rules: ['spike'] }, [{ keyId: 'k', networks: 999, most: 0 }]), []);
    assert.deepEqual(probes({ ...rules, rules: ['spike'] }, [{ keyId: 'k', refusals: 999 }]), []);
  });
});
