import assert from 'node:assert/strict';
import { type JournalLine, readingsIn, written } from '../../policies/usage-journal.ts';

const noon = Date.UTC(2026, 10, 24, 12);
const call = (at: number, more: Partial<JournalLine['used'][number]> = {}): JournalLine => ({
  tenantId: 'ten_a',
  at,
  used: [{ meter: 'api-calls', value: 1, kind: 'read', ...more }],
});
const file = (...lines: JournalLine[]): string => lines.map(written).join('');
const read = (content: string) => readingsIn('jnl_1/1.ndjson', content);
const valuesOf = (content: string) =>
  read(content)
    .readings.get('ten_a')
    ?.map(({ value }) => value);

describe('a file of the usage journal', () => {
  it('R5.1 becomes one reading for each series, by tenant', () => {
    const content = file(call(noon), call(noon + 5), call(noon + 9, { keyId: 'key_1' }), {
      ...call(noon),
      tenantId: 'ten_b',
    });
    assert.deepEqual(valuesOf(content), [2, 1]);
    assert.deepEqual(
      read(content)
        .readings.get('ten_b')
        ?.map(({ value }) => value),
      [1],
    );
  });

  it('R5.1 becomes the same readings under the same ids, however often it is read', () => {
    const content = file(call(noon), call(noon + 1, { kind: 'write' }));
    assert.deepEqual(read(content), read(content));
    const ids = read(content)
      .readings.get('ten_a')
      ?.map(({ id }) => id);
    assert.deepEqual(ids, ['journal/jnl_1/1.ndjson/0', 'journal/jnl_1/1.ndjson/1']);
  });

  it('R5.1 never puts what was before the end of a minute together with what was after', () => {
    assert.deepEqual(valuesOf(file(call(noon - 1), call(noon))), [1, 1]);
  });

  it('R5.1 counts each member once, however often they came', () => {
    const member = (id: string): JournalLine => ({
      tenantId: 'ten_a',
      at: noon,
      used: [{ meter: 'users.active', value: 1, member: id }],
    });
    const readings = read(file(member('usr_1'), member('usr_2'), member('usr_1'))).readings.get('ten_a');
    assert.deepEqual(
      readings?.map(({ member: id, value }) => [id, value]),
      [
        ['usr_1', 1],
        ['usr_2', 1],
      ],
    );
  });

  it('R5.1 has no digits of seconds that were never measured', () => {
    const seconds = (value: number): JournalLine => ({
      tenantId: 'ten_a',
      at: noon,
      used: [{ meter: 'compute.worker-seconds', value }],
    });
    assert.deepEqual(valuesOf(file(seconds(0.1), seconds(0.2))), [0.3]);
  });

  it('R5.1 leaves out a line that was never finished, and tells of one that cannot be read', () => {
    const whole = file(call(noon), call(noon));
    assert.deepEqual(read(whole.slice(0, -10)), { ...read(file(call(noon))), unreadable: 0 });
    assert.equal(read(`${written(call(noon)).slice(0, 20)}\n${whole}`).unreadable, 1);
    assert.deepEqual(valuesOf(`{"tenantId":1}\n${whole}`), [2]);
  });
});
