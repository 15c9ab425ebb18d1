import assert from 'node:assert/strict';
import { outputWithin, tokenBound } from '../../policies/token-bound.ts';

describe('what a call of a model can use at most', () => {
  const messages = [{ role: 'user', content: 'Grüße 👋' }];

  it('R5.2 is never fewer tokens than there are bytes in what is sent', () => {
    const { input } = tokenBound({ messages, system: 'Be kind.' });
    assert.ok(input >= Buffer.byteLength('Grüße 👋Be kind.'));
    const tools = [{ name: 'x', inputSchema: { type: 'object' } }];
    assert.ok(tokenBound({ messages, tools }).input >= input - 8 + JSON.stringify(tools).length);
  });

  it('R5.2 is as many written as the agent may, or as is usual', () => {
    assert.equal(tokenBound({ messages, maxOutputTokens: 77 }).output, 77);
    assert.equal(tokenBound({ messages }).output, 8_192);
  });

  it('R5.2 is what is left where that is less, and nothing where an answer would be too short', () => {
    const bound = { input: 100, output: 500 };
    assert.equal(outputWithin({ left: 1_000, held: 0 }, bound), 500);
    assert.equal(outputWithin({ left: 400, held: 0 }, bound), 300);
    assert.equal(outputWithin({ left: 163, held: 0 }, bound), 'refuse');
    assert.equal(outputWithin({ left: 105, held: 0 }, { input: 100, output: 5 }), 5);
  });

  it('R5.2 waits for others where they may leave enough, and is refused where they cannot', () => {
    const bound = { input: 100, output: 500 };
    assert.equal(outputWithin({ left: 1_000, held: 400 }, bound), 500);
    assert.equal(outputWithin({ left: 1_000, held: 401 }, bound), 'wait');
    assert.equal(outputWithin({ left: 150, held: 150 }, bound), 'refuse');
  });
});
