import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { inSystem, inTenant } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { at, combined, refuses } from '../support/faults.ts';
import { askForTenant, nothing, remains, stateInside, storedTenant } from '../support/lifecycle.ts';
import { assertEnded, atEach, begin, end } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

keepsItsPromise({
  criterion: 'R1.1',
  kind: 'provision-tenant',
  steps: [
    'ensureTenantSchema',
    'ensureTenantKey',
    'openSubscription',
    'applyPlan',
    'createInvitation',
    'sendInvitation',
    'probeTenant',
    'activateTenant',
  ],
  undos: ['closeSubscription', 'destroyTenantKey', 'removeTenantSchema', 'failTenant'],
  ask: askForTenant,

  async kept(operation) {
    const { tenantId } = operation;
    assert.deepEqual(await remains(operation), { schemas: 1, roles: 1, keys: 1, intake: 0 });
    assert.equal((await storedTenant(operation)).state, 'active');
    assert.equal(await stateInside(tenantId), 'active');
    assert.deepEqual(await subscriptions(tenantId), ['active']);
    const place = await placeOf(tenantId);
    assert.ok(place);
    const [invited] = await inTenant(place, ({ sql }) =>
      sql<{ users: number; invitations: number; sent: number }>(
        `SELECT (SELECT count(*)::int FROM users) AS users, count(*)::int AS invitations,
           count(sent_at)::int AS sent FROM invitations`,
      ),
    );
    assert.deepEqual(invited, { users: 1, invitations: 1, sent: 1 });
  },

  async undone(operation) {
    const { tenantId } = operation;
    assert.deepEqual(await remains(operation), nothing);
    assert.equal((await storedTenant(operation)).state, 'failed');
    assert.deepEqual(await subscriptions(tenantId), []);
    const [addresses] = await inSystem('platform', ({ sql }) =>
      sql<{ count: number }>('SELECT count(*)::int FROM slugs WHERE tenant_id = $1', [tenantId]),
    );
    assert.equal(addresses?.count, 0);
  },
});

describe('steps of an onboarding that run side by side', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  it('R1.1 fail together as a failure, although the first cancels the others', async () => {
    const others = ['ensureTenantKey', 'openSubscription'].map((step) => refuses(step, 'before'));
    await atEach(['1', '2', '3', '4'], async () => {
      const late = at('ensureTenantSchema', 'before', () => pause(300));
      const faults = [late, refuses('ensureTenantSchema', 'before'), ...others];
      const ended = await end(await begin(stage, await askForTenant(stage.principal), combined(...faults)));
      assertEnded(ended, 'failed');
      assert.deepEqual(await remains(ended.operation), nothing);
    });
  });
});

async function subscriptions(tenantId: string): Promise<string[]> {
  const rows = await inSystem('platform', ({ sql }) =>
    sql<{ state: string }>('SELECT state FROM subscriptions WHERE tenant_id = $1', [tenantId]),
  );
  return rows.map((row) => row.state);
}
