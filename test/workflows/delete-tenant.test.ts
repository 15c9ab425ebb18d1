import assert from 'node:assert/strict';
import { callOffDeletion } from '../../temporal/start.ts';
import { replayRun } from '../support/histories.ts';
import { askFor, assertStands, nothing, remains, storedTenant } from '../support/lifecycle.ts';
import { assertEnded, begin, end, untilStepRuns } from '../support/runs.ts';
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
});
