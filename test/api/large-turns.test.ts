import assert from 'node:assert/strict';
import { inLargeTurn } from '../../api/turns.ts';

describe('large answers', () => {
  it('R10.2 of one tenant are made one after the other, and keep no other tenant waiting', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const made: string[] = [];
    const make = (tenantId: string, what: string, after?: Promise<void>) =>
      inLargeTurn(tenantId, async () => {
        await after;
        made.push(what);
      });
    const first = make('ten_a', 'first', promise);
    const second = make('ten_a', 'second');
    await make('ten_b', 'theirs');
    assert.deepEqual(made, ['theirs']);
    resolve();
    await Promise.all([first, second]);
    assert.deepEqual(made, ['theirs', 'first', 'second']);
  });

  it('R10.2 are refused when too many of one tenant wait, and the place of one that fails is free again', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const failing = inLargeTurn('ten_c', () => promise);
    const waiting = Array.from({ length: 50 }, () => inLargeTurn('ten_c', async () => undefined));
    await assert.rejects(
      inLargeTurn('ten_c', async () => undefined),
      /one after the other/,
    );
    reject(new Error('a fault'));
    await assert.rejects(failing, /a fault/);
    await Promise.all(waiting);
  });
});
