import assert from 'node:assert/strict';
import { interleaved, median, noise, quantile } from '../../bench/statistics.ts';
import { judge } from '../../bench/table.ts';

describe('the statistics of the benches', () => {
  it('R1.1 take the middle value, or the middle between the two nearest to it', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(quantile([0, 10], 0.25), 2.5);
    assert.throws(() => median([]));
  });

  it('R1.1 call half the distance between the quartiles noise, as a share of the median', () => {
    assert.equal(noise([10, 10, 10]), 0);
    assert.equal(noise([1, 2, 3, 4, 5]), 1 / 3);
  });

  it('R1.1 measure all variants in each repetition, each of them first in its turn', async () => {
    const order: string[] = [];
    const variant = (name: string) => ({ name, measure: async () => order.push(name) });
    const measured = await interleaved([variant('floor'), variant('product')], 2, 1);
    assert.deepEqual(order, ['product', 'floor', 'floor', 'product', 'product', 'floor']);
    assert.deepEqual(measured.get('floor'), [3, 6]);
  });

  it('R1.1 judge the ratio to the floor, and without a floor the value itself', () => {
    const slower = judge({ what: '', unit: 'ms', values: [3], floor: [2], budget: { atMost: 1.5 } });
    assert.deepEqual([slower.ratio, slower.verdict], [1.5, 'pass']);
    const short = judge({ what: '', unit: '/s', values: [4], floor: [10], budget: { atLeast: 0.45 } });
    assert.deepEqual([short.ratio, short.verdict, short.best], [0.4, 'falls short', 4]);
    assert.equal(
      judge({ what: '', unit: 'MB', values: [401], budget: { atMost: 400 } }).verdict,
      'falls short',
    );
    assert.equal(judge({ what: '', unit: 'ms', values: [1] }).verdict, '');
  });
});
