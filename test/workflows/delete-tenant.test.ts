import assert from 'node:assert/strict';
import { inSystem, inTenant } from '../../models/scope.ts';
import { mirroredRequests, mirrorRow } from '../../models/system/quota-request.ts';
import { mirrorDays, mirroredDays } from '../../models/system/usage-mirror.ts';
import { makeHold } from '../../models/tenant/legal-hold.ts';
import { callOffDeletion } from '../../temporal/start.ts';
import { placeFor } from '../support/errands.ts';
import { replayRun } from '../support/histories.ts';
import { askFor, assertStands, nothing, remains, storedTenant } from '../support/lifecycle.ts';
import { assertEnded, assertFailedAt, begin, end, untilStepRuns } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

keepsItsPromise({
  criterion: 'R1.4',
  kind: 'delete-tenant',
  steps: [
    'blockTenant',
    'announceDeletion',
    'destroyTenantKey',
    'removeTenantSchema',
    'closeSubscription',
    'verifyErased',
    'buryTenant',
  ],
  noWayBack: ['destroyTenantKey', 'removeTenantSchema', 'closeSubscription', 'verifyErased', 'buryTenant'],
  waits: ['gracePeriod'],
  undos: ['unblockTenant', 'settleTenant'],
  ask: (principal) => askFor('delete-tenant', principal, { previous: 'active', graceSeconds: 0 }),
  async kept(operation) {
    assert.deepEqual(await remains(operation), nothing);
    const { state, tombstone } = await storedTenant(operation);
    assert.equal(state, 'deleted');
    assert.equal(Object(tombstone).tenantId, operation.tenantId);
  },
  undone: (operation) => assertStands(operation, 'active'),
});

describe('a deletion in its grace period', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  for (const previous of ['active', 'suspended'] as const) {
    it(`R1.4 can be called off, and the tenant is ${previous} again as it was`, async () => {
      const operation = await askFor('delete-tenant', stage.principal, { previous, graceSeconds: 600 });
      const begun = await begin(stage, operation);
      await untilStepRuns(operation, 'gracePeriod');
      assert.equal((await storedTenant(operation)).state, 'deleting');
      assert.equal(await callOffDeletion(operation), 'called-off');
      const ended = await end(begun);
      assert.equal(ended.stored.state, 'cancelled');
      assert.equal(ended.shown, 'COMPLETED');
      assert.ok(!ended.names.includes('destroyTenantKey'));
      await assertStands(operation, previous);
      await replayRun(operation, `called-off-${previous}`);
      assert.equal(await callOffDeletion(operation), 'not-running');
    });
  }

  it('R6.3 is refused at its first step when something was put under a legal hold meanwhile', async () => {
    const operation = await askFor('delete-tenant', stage.principal, { previous: 'active', graceSeconds: 0 });
    const place = await placeFor(operation);
    await inTenant(place, ({ sql }) =>
      makeHold(sql, { class: null, subjectId: null, reason: 'a suit', by: stage.principal }),
    );
    assertFailedAt('blockTenant', await end(await begin(stage, operation)));
    await assertStands(operation, 'active');
  });

  it('R1.4 cannot be called off once destruction has begun', async () => {
    const operation = await askFor('delete-tenant', stage.principal, { previous: 'active', graceSeconds: 0 });
    const answers: string[] = [];
    const begun = await begin(stage, operation, async (name, effect) => {
      if (name === 'destroyTenantKey') answers.push(await callOffDeletion(operation));
      return effect();
    });
    assertEnded(await end(begun), 'succeeded');
    assert.deepEqual(answers, ['too-late']);
  });

  it('R1.4 R5.5 leaves nothing in the mirror of what was used, and lets nothing be written there afterwards', async () => {
    const operation = await askFor('delete-tenant', stage.principal, { previous: 'active', graceSeconds: 0 });
    const { tenantId } = operation;
    const told = (takenUntil: Date) =>
      mirrorDays(tenantId, {
        days: [{ day: '2026-11-01', meter: 'runs', value: 3 }],
        from: '2026-11-01',
        takenUntil,
      });
    await told(new Date());
    const request = { id: 'qrq_x', operation_id: 'op_x', quota_id: 'plan.runs', amount: 1, state: 'waiting' };
    const asked = () =>
      inSystem(tenantId, ({ sql }) => mirrorRow(sql, tenantId, { ...request, created_at: new Date() }));
    await asked();
    assert.deepEqual([await mirroredDays(tenantId), await mirroredRequests(tenantId)], [1, 1]);
    const begun = await begin(stage, operation, async (name, effect) => {
      // The meter read it before it was gone, and says so too late.
      const done = await effect();
      if (name === 'removeTenantSchema') await told(new Date(Date.now() + 1_000));
      return done;
    });
    assertEnded(await end(begun), 'succeeded');
    assert.equal(await mirroredDays(tenantId), 0);
    assert.equal(Object((await storedTenant(operation)).tombstone).remains.mirroredDays, 0);
    await told(new Date(Date.now() + 2_000));
    await asked();
    assert.deepEqual([await mirroredDays(tenantId), await mirroredRequests(tenantId)], [0, 0]);
  });
});
