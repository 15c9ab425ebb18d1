import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inSystem, inTenant } from '../../models/scope.ts';
import { openOperation, type Startable } from '../../models/system/operation.ts';
import { invite } from '../../models/tenant/inviting.ts';
import type { Principal } from '../../policies/principal.ts';
import { endErrand } from '../../temporal/start.ts';
import { askForErrand, placeFor } from '../support/errands.ts';
import { everythingTwice } from '../support/faults.ts';
import { replayRun } from '../support/histories.ts';
import { storedOperation } from '../support/lifecycle.ts';
import { mailsTo } from '../support/mails.ts';
import { everybody } from '../support/people.ts';
import { assertEnded, assertFailedAt, begin, end, until, untilStepRuns } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

/** Long enough for the mail to be sent at the third attempt on a busy machine. */
const shortSeconds = 6;
/** Half of it is longer than another process with a worker takes to start. */
const patientSeconds = 26;

/** An invitation as the API leaves it, but for how long it is good. */
const askFor = (operator: Principal, seconds: number): Promise<Startable> =>
  askForErrand('invite-user', operator, async (tenant, { operationId, by }) => {
    const invitee = { email: `${newId('usr')}@example.com`, name: 'Grace Guest', roles: ['viewer'] };
    const id = await invite(tenant, invitee, { operationId, by });
    await tenant.sql(
      'UPDATE invitations SET expires_at = issued_at + make_interval(secs => $2) WHERE id = $1',
      [id, seconds],
    );
    return id;
  });

type Stored = { state: string; token_hash: string | null; sent_at: Date | null; reminded_at: Date | null };

const sql = async (operation: Startable, text: string, ...values: unknown[]) =>
  inTenant(await placeFor(operation), (tenant) => tenant.sql<Stored>(text, values));

async function invitationOf(operation: Startable): Promise<Stored> {
  const [row] = await sql(operation, 'SELECT * FROM invitations WHERE id = $1', operation.input.subjectId);
  return row ?? assert.fail('there is no invitation');
}

/** What the tenant's trail tells of the invitation, oldest first. */
async function toldOf(operation: Startable): Promise<string[]> {
  const rows = await inTenant(await placeFor(operation), (tenant) =>
    tenant.sql<{ action: string }>('SELECT action FROM audit_events WHERE subject_id = $1 ORDER BY seq', [
      operation.input.subjectId,
    ]),
  );
  return rows.map((row) => row.action);
}

/** Of the tenant this errand is in. */
async function deletionOf(errand: Startable, principal: Principal): Promise<Startable> {
  const { tenantId } = errand;
  const asked = { kind: 'delete-tenant' as const, principal, input: { previous: 'active', graceSeconds: 0 } };
  const operationId = await inSystem('platform', (system) =>
    openOperation(system, { tenantId, ...asked }, () => {}),
  );
  return { ...errand, ...asked, operationId };
}

const resultOf = async (operation: Startable) => Object(await storedOperation(operation)).result;

keepsItsPromise({
  criterion: 'R4.2',
  kind: 'invite-user',
  steps: ['mailInvitation', 'remindInvited', 'closeInvitation'],
  waits: ['untilReminder', 'untilExpiry'],
  undos: ['withdrawInvitation'],
  ask: (operator, patience) => askFor(operator, patience ? patientSeconds : shortSeconds),

  async kept(operation) {
    const { state, token_hash, sent_at, reminded_at } = await invitationOf(operation);
    assert.deepEqual([state, token_hash], ['expired', null]);
    assert.ok(sent_at);
    assert.deepEqual(await resultOf(operation), { outcome: 'expired' });
    // A worker that is killed is noticed after ten seconds: then there is nothing left to remind of.
    const reminder = reminded_at ? ['remind of Invitation'] : [];
    assert.deepEqual(await toldOf(operation), ['send Invitation', ...reminder, 'expire Invitation']);
  },

  async undone(operation) {
    const { state, token_hash } = await invitationOf(operation);
    assert.deepEqual([state, token_hash], ['revoked', null]);
    assert.equal((await toldOf(operation)).filter((action) => action === 'revoke Invitation').length, 1);
  },
});

describe('an invitation that is answered', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  for (const outcome of ['accepted', 'revoked'] as const)
    it(`R4.2 is ${outcome} for its errand at once, and is not reminded of`, async () => {
      const operation = await askFor(stage.principal, 600);
      const begun = await begin(stage, operation);
      await untilStepRuns(operation, 'untilReminder');
      await sql(operation, 'UPDATE invitations SET state = $1', outcome);
      assert.equal(await endErrand(operation), 'asked');
      const ended = await end(begun);
      assertEnded(ended, 'succeeded');
      assert.deepEqual(ended.names, ['mailInvitation', 'closeInvitation']);
      assert.deepEqual(await resultOf(operation), { outcome });
      await replayRun(operation, outcome);
    });

  it('R4.2 is mailed and reminded of once each, both with the same link', async () => {
    const operation = await askFor(stage.principal, 4);
    assertEnded(await end(await begin(stage, operation, everythingTwice)), 'succeeded');
    const people = await inTenant(await placeFor(operation), ({ sql }) => everybody(sql));
    const row = people.find(({ name }) => name === 'Grace Guest');
    const mails = await mailsTo(row?.email ?? '');
    assert.deepEqual(mails.map(({ subject }) => subject.replace(/ to .*/, '')).toSorted(), [
      'Reminder: your invitation',
      'Your invitation',
    ]);
    assert.equal(new Set(mails.map((mail) => mail.text.match(/https?:\S+/)?.[0])).size, 1);
    assert.equal(new Set(mails.map((mail) => mail.messageId)).size, 2);
  });

  it('R4.2 is found answered by the reminder when nobody told its errand', async () => {
    const operation = await askFor(stage.principal, 4);
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilReminder');
    await sql(operation, "UPDATE invitations SET state = 'accepted'");
    const ended = await end(begun);
    assert.deepEqual(ended.names, ['mailInvitation', 'remindInvited', 'closeInvitation']);
    assert.deepEqual(await resultOf(operation), { outcome: 'accepted' });
    assert.equal((await invitationOf(operation)).reminded_at, null);
  });

  it('R4.2 leaves an invitation alone that has become another errand’s', async () => {
    const operation = await askFor(stage.principal, 600);
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilReminder');
    await sql(operation, "UPDATE invitations SET operation_id = 'another'");
    await endErrand(operation);
    await end(begun);
    assert.deepEqual(await resultOf(operation), { outcome: 'resent' });
    assert.equal((await invitationOf(operation)).state, 'pending');
  });

  it('R4.3 is taken back at the next step when its inviter may no longer invite', async () => {
    const operation = await askFor(stage.principal, 4);
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilReminder');
    await sql(operation, 'DELETE FROM role_assignments WHERE principal_id = $1', operation.principal.id);
    const ended = await end(begun);
    assertFailedAt('remindInvited', ended);
    assert.equal((await invitationOf(operation)).state, 'revoked');
    assert.match(String(ended.stored.problem?.detail), /may not create Invitation \(any more\)/);
  });

  it('R4.2 is cancelled with the tenant that is deleted', async () => {
    const operation = await askFor(stage.principal, 600);
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilReminder');
    const deletion = await deletionOf(operation, stage.principal);
    await end(await begin(stage, deletion));
    const { state, problem } = await storedOperation(operation);
    assert.deepEqual([state, problem?.detail], ['cancelled', 'The tenant was deleted.']);
    await endErrand(operation);
    assert.equal((await end(begun)).shown, 'FAILED', 'its workflow finds nothing to do, and undoes nothing');
    assert.equal((await storedOperation(operation)).state, 'cancelled');
  });

  it('R4.2 is not reminded of while the organisation is suspended, and still expires', async () => {
    const operation = await askFor(stage.principal, 4);
    const begun = await begin(stage, operation);
    await until(async () => (await invitationOf(operation)).sent_at !== null);
    await sql(operation, "UPDATE tenant SET state = 'suspended'");
    assertEnded(await end(begun), 'succeeded');
    const { state, reminded_at } = await invitationOf(operation);
    assert.deepEqual([state, reminded_at], ['expired', null]);
  });
});
