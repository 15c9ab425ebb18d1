import assert from 'node:assert/strict';
import { inSystem, inTenant } from '../../models/scope.ts';
import { cancelErrands } from '../../models/system/errand.ts';
import type { Startable } from '../../models/system/operation.ts';
import { forgetPlace } from '../../models/system/tenant.ts';
import { withdrawRequest } from '../../models/tenant/quota-request.ts';
import { decidedWithinDays } from '../../policies/quota-request.ts';
import { endErrand } from '../../temporal/start.ts';
import { placeFor } from '../support/errands.ts';
import { replayRun } from '../support/histories.ts';
import {
  askFor,
  asPlanned,
  decided,
  inside,
  limitOf,
  quotaId,
  resultOf,
  stateOf,
  wished,
} from '../support/quota-requests.ts';
import { assertEnded, assertFailedAt, begin, end, until, untilStepRuns } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

keepsItsPromise({
  criterion: 'R5.3',
  kind: 'raise-quota',
  steps: ['lookAtQuotaRequest', 'carryOutQuotaRequest', 'closeQuotaRequest'],
  waits: ['untilDecided', 'untilRaiseEnds'],
  undos: ['withdrawQuotaRequest'],
  ask: (operator, patience) => askFor(operator, { seconds: patience ? 10 : 1, byRule: 'a test' }),

  async kept(operation) {
    assert.equal(await stateOf(operation), 'reverted');
    assert.deepEqual(await limitOf(operation), asPlanned);
  },

  async undone(operation) {
    assert.match(await stateOf(operation), /^(failed|withdrawn)$/);
    assert.deepEqual(await limitOf(operation), asPlanned);
  },
});

describe('a raise of a limit', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  const raised = (operation: Startable) =>
    until(
      async () =>
        (await limitOf(operation)).raised === wished || (await limitOf(operation)).amount === wished,
    );

  it('R5.3 waits for a decision, holds until its end, and is lowered by itself', async () => {
    const operation = await askFor(stage.principal, { seconds: 600 });
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilDecided');
    assert.deepEqual(await limitOf(operation), asPlanned);
    await decided(operation, 'approve', new Date(Date.now() + 3_000));
    assert.equal(await endErrand(operation), 'asked');
    await raised(operation);
    assert.deepEqual(await limitOf(operation), { ...asPlanned, raised: wished, holds: true });
    assertEnded(await end(begun), 'succeeded');
    assert.deepEqual(await resultOf(operation), { outcome: 'reverted' });
    assert.deepEqual(await limitOf(operation), asPlanned);
    const trail = await inside<{ action: string; by: string }>(
      operation,
      `SELECT action, actor->>'id' AS by FROM audit_events WHERE subject_type = 'QuotaRequest' ORDER BY id`,
    );
    assert.deepEqual(trail, [
      { action: 'raise Quota', by: operation.principal.id },
      { action: 'lower Quota', by: 'system:raise-quota' },
    ]);
    await replayRun(operation, 'decided');
  });

  it('R5.3 without an end becomes the limit', async () => {
    const operation = await askFor(stage.principal, { seconds: null });
    await decided(operation, 'approve', null);
    assertEnded(await end(await begin(stage, operation)), 'succeeded');
    assert.deepEqual(await resultOf(operation), { outcome: 'approved' });
    assert.deepEqual(await limitOf(operation), { ...asPlanned, amount: wished, origin: 'operator' });
    await replayRun(operation, 'for-good');
  });

  it('R5.3 is none when it is refused, and when nobody decides in time', async () => {
    const refused = await askFor(stage.principal, { seconds: 600 });
    const begun = await begin(stage, refused);
    await untilStepRuns(refused, 'untilDecided');
    await decided(refused, 'refuse', null);
    await endErrand(refused);
    assertEnded(await end(begun), 'succeeded');
    assert.deepEqual(await resultOf(refused), { outcome: 'refused' });
    const forgotten = await askFor(stage.principal, { seconds: null });
    await inside(
      forgotten,
      `UPDATE quota_requests SET created_at = now() - interval '${decidedWithinDays} days'`,
    );
    assertEnded(await end(await begin(stage, forgotten)), 'succeeded');
    assert.deepEqual(await resultOf(forgotten), { outcome: 'lapsed' });
    for (const operation of [refused, forgotten]) assert.deepEqual(await limitOf(operation), asPlanned);
    await replayRun(refused, 'refused');
  });

  it('R5.3 is lowered at once when it is taken back', async () => {
    const operation = await askFor(stage.principal, { seconds: 600, byRule: 'a test' });
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilRaiseEnds');
    assert.equal((await limitOf(operation)).raised, wished);
    await inTenant(await placeFor(operation), ({ sql }) =>
      withdrawRequest(sql, String(operation.input.subjectId)),
    );
    await endErrand(operation);
    assertEnded(await end(begun), 'succeeded');
    assert.deepEqual(await resultOf(operation), { outcome: 'withdrawn' });
    assert.deepEqual(await limitOf(operation), asPlanned);
    await replayRun(operation, 'withdrawn');
  });

  it('R5.3 goes on when it is told of nothing new', async () => {
    const operation = await askFor(stage.principal, { seconds: 4, byRule: 'a test' });
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilRaiseEnds');
    await endErrand(operation);
    await untilStepRuns(operation, 'untilRaiseEnds');
    assert.equal((await limitOf(operation)).raised, wished);
    assertEnded(await end(begun), 'succeeded');
    assert.deepEqual(await resultOf(operation), { outcome: 'reverted' });
  });

  it('R5.3 gives way to what another raise of the same limit still gives', async () => {
    const operation = await askFor(stage.principal, { seconds: 2, byRule: 'a test' });
    const lower = wished - 1;
    await inside(
      operation,
      `INSERT INTO quota_requests (id, operation_id, quota_id, amount, sealed_reason, owner_id, state, granted, granted_until, raised_at)
       VALUES ('qrq_other', 'op_other', $1, $2, '\\x00', 'usr_x', 'approved', $2, now() + interval '1 hour', now())`,
      [quotaId, lower],
    );
    assertEnded(await end(await begin(stage, operation)), 'succeeded');
    assert.deepEqual(await limitOf(operation), { ...asPlanned, raised: lower, holds: true });
  });

  it('R5.3 is not waited for any more in the name of somebody who may not ask any more', async () => {
    const operation = await askFor(stage.principal, { seconds: 600 });
    await inside(operation, 'DELETE FROM role_assignments WHERE principal_id = $1', [operation.principal.id]);
    assertFailedAt('lookAtQuotaRequest', await end(await begin(stage, operation)));
    assert.equal(await stateOf(operation), 'failed');
  });

  it('R5.3 is carried out and lowered while the organisation is suspended, and ends with it', async () => {
    const suspended = await askFor(stage.principal, { seconds: 2, byRule: 'a test' });
    await inside(suspended, "UPDATE tenant SET state = 'suspended'");
    assertEnded(await end(await begin(stage, suspended)), 'succeeded');
    assert.deepEqual(await limitOf(suspended), asPlanned);

    const gone = await askFor(stage.principal, { seconds: 600 });
    const begun = await begin(stage, gone);
    await untilStepRuns(gone, 'untilDecided');
    await inSystem('platform', (system) => cancelErrands(system, gone.tenantId));
    forgetPlace(gone.tenantId);
    await endErrand(gone);
    const { stored, shown } = await end(begun);
    assert.deepEqual([stored.state, shown], ['cancelled', 'FAILED']);
    assert.equal(await stateOf(gone), 'waiting');
  });
});
