import assert from 'node:assert/strict';
import fc from 'fast-check';
import { idPattern, isTenantId, newId, schemaOf } from '../../models/ids.ts';

describe('an id', () => {
  it('R1.2 is of its kind, unique, and sorts by the time it was made', async () => {
    const early = newId('ten');
    await new Promise((resolve) => setTimeout(resolve, 2));
    const made = Array.from({ length: 5_000 }, () => newId('ten'));
    assert.equal(new Set(made).size, made.length);
    assert.ok(made.every((id) => id > early && idPattern('ten').test(id) && !idPattern('agt').test(id)));
  });

  it('R2.4 becomes a name in SQL only when it is a tenant’s, so that no text a person typed ever does', () => {
    const id = newId('ten');
    assert.equal(schemaOf(id), `t_${id.slice(4)}`);
    for (const text of [
      '',
      'ten_',
      newId('agt'),
      `${id}x`,
      `${id}\n`,
      ` ${id}`,
      id.toUpperCase(),
      `ten_8${id.slice(5)}`,
      'ten_"; DROP',
    ])
      assert.throws(() => schemaOf(text), /not a tenant id/, text);
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.equal(isTenantId(text), false);
        assert.throws(() => schemaOf(text));
      }),
    );
  });

  it('R1.2 has no letter that is taken for another', () => {
    for (const letter of 'ilou') assert.equal(isTenantId(`ten_${'0'.repeat(25)}${letter}`), false);
    assert.equal(isTenantId(`ten_${'0'.repeat(26)}`), true);
  });
});
