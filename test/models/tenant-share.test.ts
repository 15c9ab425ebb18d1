import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inSystem, inTenant, type Place, readInTenant } from '../../models/scope.ts';
import { type NewErrand, openErrands } from '../../models/system/errand.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { type Member, member } from '../support/tenants.ts';

describe('what a tenant may have of what all share', () => {
  let noisy: Place;
  let quiet: Place;
  let free: Member;
  before(async () => {
    useSharedModels();
    // More than there are logins, so two of them share one, and with it its connections.
    const members = await Promise.all([
      ...Array.from({ length: 5 }, () => member()),
      member({ plan: 'free' }),
    ]);
    const places = await Promise.all(members.map(({ tenant }) => placed(tenant.id)));
    const [one, two] = Object.values(Object.groupBy(places, ({ login }) => login)).find(
      (sharing) => (sharing?.length ?? 0) > 1,
    ) ?? [assert.fail('each has a login of its own')];
    assert.ok(one && two);
    [noisy, quiet] = [one, two];
    free = members.at(-1) ?? assert.fail();
  });

  it('R10.2 connections: another tenant’s transaction comes before those that wait already', async () => {
    const order: string[] = [];
    const slow = Array.from({ length: 24 }, () =>
      inTenant(noisy, ({ sql }) => sql('SELECT pg_sleep(0.3)')).then(() => order.push('noisy')),
    );
    for (let at = 0; at < 4; at++) {
      await inTenant(quiet, ({ sql }) => sql('SELECT 1'));
      order.push('quiet');
    }
    await Promise.all(slow);
    assert.ok(order.lastIndexOf('quiet') < order.length - 6, order.join());
  });

  it('R10.2 time: no statement of any tenant’s may take longer than is stated', async () => {
    for (const place of [noisy, quiet]) {
      const within = await inTenant(place, ({ sql }) =>
        sql<{ statement_timeout: string }>('SHOW statement_timeout'),
      );
      const [reading] = await readInTenant(place, [{ text: 'SHOW statement_timeout', values: [] }]);
      assert.deepEqual([within[0]?.statement_timeout, reading?.[0]?.statement_timeout], ['11s', '8s']);
    }
  });

  const errands = (tenantId: string, count: number): NewErrand[] =>
    Array.from({ length: count }, () => ({
      operationId: newId('op'),
      tenantId,
      kind: 'invite-user',
      principal: { kind: 'user', id: 'usr_a', tenantId },
      subjectId: newId('inv'),
      requestId: newId('req'),
    }));
  const forgotten = (tenantId: string) =>
    inSystem('platform', ({ sql }) =>
      sql('DELETE FROM operations WHERE tenant_id = $1 AND NOT exclusive', [tenantId]),
    );

  it('R10.2 operations: exactly as many as the plan says, however many are asked for at once', async () => {
    const { id } = free.tenant;
    await forgotten(id);
    const asked = Array.from({ length: 20 }, () => openErrands(id, errands(id, 3), 50));
    const ended = await Promise.allSettled(asked);
    assert.equal(ended.filter(({ status }) => status === 'fulfilled').length, 16);
    for (const end of ended)
      if (end.status === 'rejected')
        assert.deepEqual([end.reason.code, end.reason.retryAfterSeconds], ['rate-limited', 60]);
    await openErrands(id, errands(id, 2), 50);
    await forgotten(id);
  });

  it('R10.2 operations: one more is refused, with what to do, and nothing of it is left', async () => {
    const { id } = free.tenant;
    await openErrands(id, errands(id, 50), 50);
    // Seen a moment ago, so that no sweep starts them.
    await inSystem('platform', ({ sql }) =>
      sql('UPDATE operations SET checked_at = now() WHERE tenant_id = $1', [id]),
    );
    const refused = await free.call<{ detail: string }>('POST', '/v1/encryption-key/rotations', {});
    assert.equal(refused.status, 429, refused.text);
    assert.match(refused.body.detail, /^50 operations .* wait until/);
    assert.equal(refused.headers['retry-after'], '60');
    await forgotten(id);
    assert.equal((await free.call('POST', '/v1/encryption-key/rotations', {})).status, 202);
  });
});
