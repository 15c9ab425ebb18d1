import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { inTurns, oneAtOnce } from '../../models/in-turns.ts';

/** Steps that take a millisecond each, as those of real thought do. */
function* steps(count: number): Generator<undefined, string> {
  for (let step = 0; step < count; step++) {
    yield;
    const until = performance.now() + 1;
    while (performance.now() < until);
  }
  return 'thought';
}

describe('long thought', () => {
  it('R5.4 R10.2 lets everybody else be served in between, and others who think have their turns', async () => {
    const ended: string[] = [];
    const think = async (who: string, count: number) => {
      assert.equal(await inTurns(who, steps(count)), 'thought');
      ended.push(who);
    };
    const long = think('ten_long', 400);
    const short = think('ten_short', 30);
    let served = 0;
    while (ended.length === 0) {
      await turn();
      served += 1;
    }
    assert.deepEqual(ended, ['ten_short']);
    assert.ok(served >= 2, `${served}`);
    await long;
    await short;
  });

  it('R5.4 is done once at a time for each tenant, and refused beyond that', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = oneAtOnce('ten_a', () => promise);
    await assert.rejects(
      oneAtOnce('ten_a', async () => undefined),
      /under way already/,
    );
    await oneAtOnce('ten_b', async () => undefined);
    resolve();
    await first;
    await oneAtOnce('ten_a', async () => undefined);
  });

  it('R5.4 gives its turn to the next when it fails', async () => {
    const failing = (function* (): Generator<undefined, never> {
      yield;
      throw new Error('a fault');
    })();
    await assert.rejects(inTurns('ten_a', failing), /a fault/);
    assert.equal(await inTurns('ten_a', steps(1)), 'thought');
  });
});
