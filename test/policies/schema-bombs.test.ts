import assert from 'node:assert/strict';
import { compiled, schemaFaults } from '../../policies/json-schema.ts';
import { inputFaults } from '../../policies/run-input.ts';
import { withinTime } from '../../policies/time-limit.ts';

/** Schemas are written by tenants, and looked at in processes that serve everybody. */
const endless = (levels: number) => {
  let input: unknown = {};
  for (let level = 0; level < levels; level++) input = { x: input };
  return input;
};
const twice = { allOf: [{ $ref: '#/$defs/node' }, { $ref: '#/$defs/node' }] };
const bombs: Record<string, [schema: Record<string, unknown>, input: unknown]> = {
  'a schema that refers to itself twice': [
    { $ref: '#/$defs/node', $defs: { node: { properties: { x: twice } } } },
    endless(40),
  ],
  'a pattern that backtracks': [
    { properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
    { a: `${'a'.repeat(40)}!` },
  ],
  'a list whose items are compared each with each': [
    { properties: { a: { type: 'array', uniqueItems: true } } },
    { a: Array.from({ length: 60_000 }, (_, at) => at) },
  ],
};

describe('schemas that take for ever', () => {
  for (const [name, [schema, input]] of Object.entries(bombs))
    it(`R2.3 ${name} holds nobody up: the input is refused within seconds, in words`, () => {
      const started = performance.now();
      const faults = inputFaults(schema, input);
      assert.ok(performance.now() - started < 10_000, 'it took longer');
      assert.deepEqual(
        faults.map(({ code }) => code),
        ['schema-too-slow'],
      );
    });

  it('R2.3 a simple schema is compared in milliseconds, so that many runs that begin at once hold nobody up', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    inputFaults(schema, {}); // which compiles JSON Schema itself, once
    const before = process.threadCpuUsage();
    for (let at = 0; at < 100; at++) assert.deepEqual(inputFaults(schema, { a: 'text' }), []);
    const { user, system } = process.threadCpuUsage(before);
    assert.ok(user + system < 100 * 15_000, `${(user + system) / 100} µs each`);
  });

  it('R2.3 a schema with a fault, as a draft may have, is said to have one', () => {
    for (const schema of [{ type: 'nothing' }, { properties: 3 }, { $ref: '#/$defs/missing' }]) {
      const [fault] = inputFaults(schema, {});
      assert.equal(fault?.code, 'invalid-schema');
      assert.match(fault?.detail ?? '', /correct the schema/);
    }
  });

  it('R2.3 a look that was cut off because the machine was busy is taken again from the start', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    let looks = 0;
    const first = () => {
      // Uses the clock up and no processor, as a busy machine does.
      if (++looks === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
      return compiled(schema)({ a: 1 });
    };
    assert.equal(withinTime(first), false);
  });

  it('R2.3 a pattern cannot hide where a schema keeps plain values and be referred to', () => {
    const hidden = { pattern: '^(a+)+$' };
    for (const [schema, at] of [
      [{ default: hidden, properties: { a: { $ref: '#/default' } } }, '/properties/a/$ref'],
      [{ enum: [hidden], $ref: '#/enum/0' }, '/$ref'],
      [{ $defs: { b: { const: hidden }, c: { $ref: '#/$defs/b/const' } } }, '/$defs/c/$ref'],
    ] as const)
      assert.deepEqual(
        schemaFaults(schema, '').map(({ pointer }) => pointer),
        [at],
      );
    assert.deepEqual(
      schemaFaults({ $defs: { n: { properties: { x: { $ref: '#/$defs/n' } } } }, $ref: '#/$defs/n' }, ''),
      [],
    );
  });
});
