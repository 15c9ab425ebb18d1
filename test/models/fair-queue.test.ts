import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { FairGate } from '../../models/fair-gate.ts';
import { FairQueue } from '../../models/fair-queue.ts';
import { noteWeight } from '../../models/weights.ts';
import { Refusal } from '../../policies/refusal.ts';

const drained = (queue: FairQueue<string>): string => {
  let all = '';
  for (let next = queue.take(); next !== undefined; next = queue.take()) all += next;
  return all;
};

describe('those who wait in one process', () => {
  it('R10.2 take turns by weight, and among a tenant’s own come in order', () => {
    noteWeight('big', 4);
    const queue = new FairQueue<string>();
    for (const item of 'ABCDEFGH') queue.push('big', item);
    for (const item of 'abc') queue.push('small', item);
    const order = drained(queue);
    assert.equal(order.replace(/[a-z]/g, ''), 'ABCDEFGH');
    assert.equal(order.replace(/[A-Z]/g, ''), 'abc');
    // One of theirs is among the first five, as 4 to 1 says, however many the other has waiting.
    assert.ok(order.indexOf('a') < 5 && order.indexOf('b') < 10, order);
  });

  it('R10.2 begin where the others are: nobody saves up turns by not asking', () => {
    const queue = new FairQueue<string>();
    for (let at = 0; at < 100; at++) queue.push('steady', 'S');
    for (let at = 0; at < 50; at++) queue.take();
    for (let at = 0; at < 50; at++) queue.push('late', 'l');
    assert.match(drained(queue).slice(0, 20), /^(Sl|lS){9}/);
  });

  it('R10.2 are served whenever anybody may be, whoever may not', () => {
    const queue = new FairQueue<string>();
    queue.push('one', 'A');
    queue.push('two', 'b');
    assert.equal(
      queue.take((key) => key === 'two'),
      'b',
    );
    assert.equal(
      queue.take((key) => key === 'two'),
      undefined,
    );
    assert.equal(queue.size, 1);
  });

  it('R10.2 keep to it in any mix: no tenant falls behind its share by more than one turn', () => {
    const weights: Record<string, number> = { w1: 1, w4: 4, w16: 16 };
    for (const [key, weight] of Object.entries(weights)) noteWeight(key, weight);
    const queue = new FairQueue<string>();
    const served: Record<string, number> = { w1: 0, w4: 0, w16: 0 };
    for (const key of Object.keys(weights)) for (let at = 0; at < 2_000; at++) queue.push(key, key);
    for (let turn = 1; turn <= 1_050; turn++) {
      const key = queue.take() ?? assert.fail();
      served[key] = (served[key] ?? 0) + 1;
      for (const [each, weight] of Object.entries(weights))
        assert.ok(Math.abs((served[each] ?? 0) - (turn * weight) / 21) <= 2, `${each} after ${turn}`);
    }
  });
});

describe('a gate for so many at once', () => {
  const gate = (more = {}) =>
    new FairGate({
      places: 4,
      shareOf: () => 3,
      waitingMax: 5,
      patienceMs: Number.POSITIVE_INFINITY,
      refusal: () => new Refusal('rate-limited', 'Too many.', { retryAfterSeconds: 1 }),
      ...more,
    });

  it('R10.2 leaves a place for others, however many one tenant asks for', async () => {
    const fair = gate();
    const inside: (() => void)[] = [];
    let waiting = 0;
    for (let at = 0; at < 6; at++) {
      const entered = fair.enter('noisy');
      if (typeof entered === 'function') inside.push(entered);
      else waiting += 1;
    }
    assert.deepEqual([inside.length, waiting], [3, 3]);
    assert.equal(typeof fair.enter('quiet'), 'function');
    assert.ok(fair.enter('another') instanceof Promise);
  });

  it('R10.2 gives one tenant less while others come as well, and all of its share again when it is alone', async () => {
    const fair = gate({ shareOf: (_key: string, crowded: boolean) => (crowded ? 1 : 3) });
    assert.equal(typeof fair.enter('quiet'), 'function');
    const leave = fair.enter('noisy');
    assert.ok(typeof leave === 'function');
    const waiting = [1, 2, 3].map(() => Promise.resolve(fair.enter('noisy')));
    assert.equal(await Promise.race([...waiting, pause(50, 'still waiting')]), 'still waiting');
    // Longer than somebody who came once is reckoned with.
    await pause(1_050);
    leave();
    assert.equal((await Promise.all(waiting)).length, 3);
  });

  it('R10.2 lets the next one in as somebody leaves, and nobody twice for one leaving', async () => {
    const fair = gate({ shareOf: () => 1 });
    const first = fair.enter('a');
    assert.ok(typeof first === 'function');
    const order: string[] = [];
    const second = Promise.resolve(fair.enter('a')).then((leave) => {
      order.push('second');
      return leave;
    });
    const third = Promise.resolve(fair.enter('a')).then(() => order.push('third'));
    first();
    first();
    const leave = await second;
    assert.deepEqual(order, ['second']);
    leave();
    await third;
    assert.deepEqual(order, ['second', 'third']);
  });

  it('R10.2 refuses, and says when to come back, once too many of one tenant wait or one has waited in vain', async () => {
    const fair = gate({ patienceMs: 1 });
    for (let at = 0; at < 3; at++) fair.enter('noisy');
    const waiting = Array.from({ length: 5 }, () => Promise.resolve(fair.enter('noisy')));
    assert.throws(() => fair.enter('noisy'), { code: 'rate-limited', retryAfterSeconds: 1 });
    assert.equal(typeof fair.enter('quiet'), 'function');
    const ended = await Promise.allSettled(waiting);
    assert.ok(ended.every(({ status }) => status === 'rejected'));
  });
});
