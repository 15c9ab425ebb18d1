import assert from 'node:assert/strict';
import {
  type Bound,
  brought,
  covers,
  exclude,
  narrowed,
  narrower,
  within,
} from '../../policies/setting-bounds.ts';
import { processorMs } from '../support/processor.ts';

const bounds: Bound[] = [
  { least: 5 },
  { most: 5 },
  { onlyFrom: ['EU', 'CH'] },
  { onlyFrom: [] },
  { atLeastAll: ['logs', 'prompts'] },
];
const values: Record<string, unknown[]> = {
  least: [null, 1, 5, 9],
  most: [null, 1, 5, 9],
  onlyFrom: [null, [], ['EU'], ['EU', 'US'], ['US']],
  atLeastAll: [[], ['logs'], ['prompts', 'logs'], ['memory']],
};

describe('bounds of settings', () => {
  it('R6.3 bring every value within them, and leave alone what is within them already', () => {
    for (const bound of bounds)
      for (const value of values[Object.keys(bound)[0] ?? ''] ?? []) {
        const kept = brought(value, bound);
        assert.ok(within(kept, bound), JSON.stringify([bound, value, kept]));
        if (within(value, bound)) assert.equal(kept, value);
      }
  });

  it('R6.3 exclude each other when no value is within both, and only then', () => {
    assert.ok(exclude({ least: 6 }, { most: 5 }) && exclude({ most: 5 }, { least: 6 }));
    assert.ok(!exclude({ least: 5 }, { most: 5 }));
    assert.ok(exclude({ onlyFrom: ['EU'] }, { onlyFrom: ['US'] }));
    assert.ok(!exclude({ onlyFrom: ['EU', 'US'] }, { onlyFrom: ['US'] }));
    assert.ok(exclude({ atLeastAll: ['a', 'b'] }, { onlyFrom: ['a'] }));
    assert.ok(exclude({ onlyFrom: ['a'] }, { atLeastAll: ['a', 'b'] }));
    assert.ok(!exclude({ atLeastAll: ['a'] }, { atLeastAll: ['b'] }));
  });

  it('R6.1 take a list for narrower when each of its entries is covered by one above', () => {
    for (const [wide, narrow, is] of [
      ['*.example.com', 'api.example.com', true],
      ['*.example.com', '*.eu.example.com', true],
      ['*.example.com', 'example.com', false],
      ['api.example.com', '*.example.com', false],
      ['gpt-*', 'gpt-4*', true],
      ['gpt-*-mini', 'gpt-5-mini', true],
      ['*', 'anything', true],
      ['a*b*c', 'axxbyyc', true],
      ['a*b*c', 'axxbyy', false],
    ] as const)
      assert.equal(covers(wide, narrow), is, `${wide} ${narrow}`);
    assert.ok(narrower(null, ['x']) && !narrower(['x'], null) && narrower(['x', 'y'], ['y']));
    assert.deepEqual(narrowed(['*.example.com'], ['api.example.com', 'other.org']), ['api.example.com']);
    assert.deepEqual(narrowed(['api.example.com'], ['*.example.com']), ['api.example.com']);
    assert.deepEqual([narrowed(5, 9), narrowed(5, 3), narrowed(['x'], null)], [5, 3, ['x']]);
  });

  it('R6.1 compare hostile patterns in no time', () => {
    assert.ok(processorMs(() => covers(`${'*a'.repeat(60)}b`, 'a'.repeat(250))) < 50);
  });
});
