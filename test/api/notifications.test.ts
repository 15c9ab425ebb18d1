import assert from 'node:assert/strict';
import { eachNear, notified, use } from '../support/near-limits.ts';

const run = (value: number) => ({ meter: 'runs' as const, value });

describe('notifications', () => {
  const near = eachNear();

  it('R5.3 shows people what they were told themselves, and what of it they have not read', async () => {
    const { acme, admin, viewer, place } = near();
    await use(place, run(80));
    await use(place, run(10));
    const [first = assert.fail(), second = assert.fail()] = await notified(admin);
    assert.equal((await admin.call('PUT', `/v1/notifications/${first.id}/read`)).status, 200);
    assert.deepEqual(
      (await notified(admin, '&unread=true')).map(({ id }) => id),
      [second.id],
    );
    assert.equal((await acme.call('PUT', `/v1/notifications/${second.id}/read`)).status, 404);
    assert.equal((await viewer.call('PUT', `/v1/notifications/${second.id}/read`)).status, 404);
    const all = await admin.call<{ marked: number }>('PUT', '/v1/notifications/read');
    assert.deepEqual([all.status, all.body.marked], [200, 1]);
    assert.deepEqual(await notified(admin, '&unread=true'), []);
    assert.equal((await notified(acme, '&unread=true')).length, 2);
  });
});
