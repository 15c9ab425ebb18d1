import assert from 'node:assert/strict';
import { planAt } from '../../policies/plans.ts';
import { efficiencyOf } from '../../policies/usage-report.ts';

const read = (meter: 'tokens.input' | 'tokens.cached', value: number) => ({ meter, kind: '', value });

describe('what a report says of how well things are used', () => {
  it('R5.5 is which share of the tokens came from a cache, and nothing where more are said to than were read', () => {
    const share = (input: number, cached: number) =>
      efficiencyOf([read('tokens.input', input), read('tokens.cached', cached)], planAt('free', 1))
        .cachedShare;
    assert.deepEqual([share(200, 50), share(200, 200), share(200, 201), share(0, 0)], [0.25, 1, null, null]);
  });
});
