import assert from 'node:assert/strict';
import { evaluate, fill, fillIn, type Scope } from '../../policies/expression.ts';
import { Refusal } from '../../policies/refusal.ts';
import { processorMs } from '../support/processor.ts';

const scope: Scope = {
  input: { count: 3, name: 'Ada', tags: ['a', 'bb'], who: { age: 36 } },
  steps: {
    list: {
      output: {
        items: [
          { price: 2.5, of: 2 },
          { price: 1, of: 1 },
        ],
      },
    },
  },
  item: null,
};
const refuses = (expression: string, why: RegExp, given: Scope = scope) =>
  assert.throws(
    () => evaluate(expression, given),
    (thrown) => thrown instanceof Refusal && thrown.code === 'unprocessable' && why.test(thrown.message),
    expression,
  );

describe('expressions', () => {
  it('R2.2 come to the value CEL says, over the JSON of a run', () => {
    const values: [string, unknown][] = [
      ['input.count + 1', 4],
      ['7 / 2', 3],
      ['7.0 / 2', 3.5],
      ['input.count / 2', 1.5],
      ['input.count == 3 && !(input.name == "Bob")', true],
      ['input.count >= 3 || input.nothing', true],
      ['steps.list.output.items.filter(i, i.price > 1).map(i, i.price * i.of)', [5]],
      ['input.tags.map(t, t != "a", t + "!").join(", ")', 'bb!'],
      ['has(input.nothing) ? 1 : 2', 2],
      ['"bb" in input.tags && "who" in input', true],
      ['input["who"].age - input.tags.size()', 34],
      ['[1, 2, 3].exists_one(n, n > 2)', true],
      ['{"a": [1], "b": input.who} == {"b": {"age": 36}, "a": [1.0]}', true],
      ['"a😀b".substring(1, 2)', '😀'],
      ['size("a😀")', 2],
      ['string(input.count) + "x".upperAscii() + " y ".trim()', '3Xy'],
      ['int("12") + int(3.9)', 15],
      ['item == null', true],
      ['-input.count', -3],
    ];
    for (const [expression, value] of values)
      assert.deepEqual(evaluate(expression, scope), value, expression);
  });

  it('R2.2 fill texts, and become values where they stand alone in JSON', () => {
    assert.equal(
      fill('{{ input.name }}: {{ {"a": {"b": "}}"}} }} {{ item }}.', scope),
      'Ada: {"a":{"b":"}}"}} .',
    );
    assert.deepEqual(
      fillIn({ n: '{{ input.count }}', texts: ['{{ input.tags }}', 'x{{ input.count }}', 7] }, scope),
      {
        n: 3,
        texts: [['a', 'bb'], 'x3', 7],
      },
    );
    assert.throws(() => fill('{{ input.name', scope), /is not closed/);
  });

  it('R2.4 reach no prototype, no constructor, and nothing that was not given', () => {
    for (const expression of [
      'input.__proto__',
      'input["constructor"]',
      'input.constructor.constructor',
      'input.tags.__proto__',
      'input.tags.length',
      'input.name.length',
      'input.toString',
      'steps["__proto__"]',
      '{}.hasOwnProperty',
    ])
      refuses(expression, /no field|no fields|not offered/);
    for (const name of ['process', 'globalThis', 'this', '__proto__', 'constructor', 'toString'])
      refuses(name, /nothing called|not|Reserved|reserved/);
    refuses('{"__proto__": {"admin": true}}.admin', /__proto__/);
    assert.equal(evaluate('input.constructor', JSON.parse('{"input":{"constructor":"own"}}')), 'own');
    assert.equal(evaluate('input.__proto__', JSON.parse('{"input":{"__proto__":"own"}}')), 'own');
  });

  it('R2.4 have no clock, no patterns that backtrack, and no way to bind or to make bytes', () => {
    for (const expression of [
      'timestamp("2024-01-01T00:00:00Z")',
      'duration("1h")',
      'input.name.matches("(a+)+$")',
      'cel.bind(x, 1, x)',
      'b"abc"',
      'bytes("abc")',
      '1u',
      'optional.of(1)',
      'type(1)',
      'input.?name',
    ])
      refuses(expression, /not offered|Unexpected|nothing called|character/i);
  });

  it('R2.4 are refused within a second, whatever they were made to cost', () => {
    const list = Array.from({ length: 9_000 }, (_, number) => number);
    let nested: unknown = 1;
    for (let depth = 0; depth < 5_000; depth++) nested = [nested];
    const hostile: Scope = { list, text: 'x'.repeat(900_000), nested: nested as string[] };
    const doubling = `[1]${'.map(a, [a, a])'.repeat(20)}`;
    const costly = [
      'list.map(a, list.map(b, a * b))',
      'list.all(a, list.exists(b, a + b < 0) || true)',
      'list.map(a, list.map(b, list.map(c, 1)))',
      'text + text',
      'list.map(a, text).join("")',
      'list.map(a, text + "")',
      'text.split("")',
      'list + list',
      doubling,
      `${doubling} == [1]${'.map(a, [a, a])'.repeat(20)}`,
      'nested',
      'nested == nested',
      '9223372036854775807 + 1',
      '-9223372036854775807 * 2',
      '1 / 0',
      '1.0 / 0',
      '1e308 * 10.0',
      `${'('.repeat(30)}1${')'.repeat(30)}`,
      `[${'1,'.repeat(300)}1]`,
      `1${'+1'.repeat(999)}`,
      'a'.repeat(2_001),
      '',
    ];
    const took = processorMs(() => {
      for (const expression of costly) refuses(expression, /./, hostile);
    });
    assert.ok(took < 3_000, `took ${took} ms`);
  });

  it('R2.4 never repeat a value in a refusal', () => {
    const secret: Scope = { input: { card: 'canary-4111', list: ['canary-4111'] } };
    for (const expression of [
      'int(input.card)',
      'input.card + 1',
      'input.list["x"]',
      'input.card.nothing',
      'bool(input.card)',
    ])
      assert.throws(
        () => evaluate(expression, secret),
        (thrown) => thrown instanceof Refusal && !thrown.message.includes('canary'),
      );
  });
});
