import assert from 'node:assert/strict';
import { takeTurn } from '../../api/turns.ts';
import { useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

describe('places of requests that wait for a change', () => {
  let acme: Member;
  before(async () => {
    useSharedModels();
    acme = await member();
  });

  it('R10.2 are many, and one tenant is refused more without losing its places for work', async () => {
    const waiting = await Promise.all(
      Array.from({ length: 200 }, () => takeTurn('ten_waits', { waits: true })),
    );
    await assert.rejects(takeTurn('ten_waits', { waits: true }), {
      code: 'rate-limited',
      message: /200 requests wait for changes already/,
    });
    const end = await takeTurn('ten_waits', { waits: false });
    const other = await takeTurn('ten_other', { waits: true });
    for (const each of [...waiting, end, other]) each();
    (await takeTurn('ten_waits', { waits: true }))();
  });

  it('R10.2 are for routes that wait: elsewhere nobody passes the turn of others by saying they would', async () => {
    const asked = Array.from({ length: 260 }, () =>
      acme.call('GET', '/v1/me', undefined, { prefer: 'wait=20' }),
    );
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    assert.deepEqual([...new Set(statuses)], [200]);
  });
});
