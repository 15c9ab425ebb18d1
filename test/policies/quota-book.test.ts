import assert from 'node:assert/strict';
import fc from 'fast-check';
import { exact } from '../../policies/quota-book.ts';

describe('amounts of the ledger', () => {
  it('R5.2 keep every unit of whole numbers, however large', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (amount) => {
        assert.equal(exact(amount), amount || 0);
      }),
      { numRuns: 2_000 },
    );
    assert.equal(exact(748_435_637_893), 748_435_637_893);
  });

  it('R5.2 have nine digits after the point, so that sums of fractions come out even', () => {
    assert.equal(exact(0.1 + 0.2), 0.3);
    assert.equal(exact(0.3 - 0.1 - 0.2), 0);
    assert.ok(Object.is(exact(-0), 0));
  });
});
