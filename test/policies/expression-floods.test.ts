import assert from 'node:assert/strict';
import { fill, fillIn } from '../../policies/expression.ts';
import { mappingFaults } from '../../policies/message-mapping.ts';
import { check } from '../../policies/workflow-check.ts';
import { workflowDefinition } from '../../policies/workflow-definition.ts';
import { processorMs } from '../support/processor.ts';

/** Each expression is bounded; a thousand of them must be as well. */
const scope = { input: { list: Array.from({ length: 220 }, (_, at) => at), long: 'x'.repeat(500_000) } };
const pairs = '{{ input.list.map(x, input.list.filter(y, y == x).size()).size() }}';
const many = (count: number, text: string) => Array.from({ length: count }, () => text);

function refusedSoon(act: () => unknown): void {
  const took = processorMs(() => assert.throws(act, /takes too long with what it was given/));
  assert.ok(took < 2_000, `it took ${took} ms`);
}

describe('many expressions in one place', () => {
  it('R2.2 are paid for together, in JSON and in a text, so that they hold nobody up', () => {
    refusedSoon(() => fillIn(many(1_000, pairs), scope));
    refusedSoon(() => fill(many(100, pairs).join(' '), scope));
  });

  it('R2.2 cannot make a short text into one that no process can hold', () => {
    refusedSoon(() => fillIn(many(1_000, '{{ input.long }}'), scope));
  });

  it('R2.2 are refused when they are saved if there are more than are looked at', () => {
    const body = Object.fromEntries(many(1_001, '').map((_, at) => [`k${at}`, `{{ ${at} }}`]));
    assert.deepEqual(mappingFaults(body), [
      { pointer: '/input', code: 'expression', detail: 'must hold at most 1000 expressions' },
    ]);
    const steps = [{ id: 'sub', kind: 'workflow', workflowId: `wfl_${'0'.repeat(26)}`, input: body }];
    const faults = check(workflowDefinition.parse({ steps }));
    assert.deepEqual(
      faults.map(({ pointer, detail }) => [pointer, detail]),
      [['/steps/0/input', 'must hold at most 1000 expressions']],
    );
    assert.deepEqual(mappingFaults(Object.fromEntries(Object.entries(body).slice(1))), []);
  });
});
