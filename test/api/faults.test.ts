import assert from 'node:assert/strict';
import { z } from 'zod';
import { faultsOf } from '../../api/faults.ts';

describe('what is wrong with a request', () => {
  const said = (shape: z.ZodType, given: unknown) => {
    const { error } = shape.safeParse(given);
    return error ? faultsOf(error, (path) => `/${path.join('/')}`).map(({ detail }) => detail) : [];
  };

  it('R1.2 is said in words of ours, whatever the library calls it', () => {
    const discriminated = z.discriminatedUnion('a', [
      z.object({ a: z.literal('warn') }),
      z.object({ a: z.literal('stop') }),
    ]);
    for (const [shape, given, expected] of [
      [z.record(z.string(), z.string()), 'hi', 'must be an object'],
      [z.iso.datetime(), 'tomorrow', 'must be a time like 2026-12-31T23:00:00Z'],
      [z.stringbool(), 'maybe', 'must be true or false'],
      [discriminated, { a: 'x' }, "must be one of 'warn', 'stop'"],
      [z.enum(['a', 'b']), 'c', 'must be one of "a", "b"'],
      [z.string(), undefined, 'is missing; it must be text'],
    ] as const)
      assert.deepEqual(said(shape, given), [expected]);
  });
});
