import assert from 'node:assert/strict';
import { inTenant } from '../../models/scope.ts';
import type { Startable } from '../../models/system/operation.ts';
import { callOff, schedule } from '../../models/tenant/scheduled-settings.ts';
import { addVersion } from '../../models/tenant/setting-book.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import type { Principal } from '../../policies/principal.ts';
import { endErrand } from '../../temporal/start.ts';
import { askForErrand, placeFor } from '../support/errands.ts';
import { replayRun } from '../support/histories.ts';
import { storedOperation } from '../support/lifecycle.ts';
import { assertEnded, assertFailedAt, begin, end, untilStepRuns } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { keepsItsPromise } from '../support/workflow-harness.ts';

const noKeys = () => Promise.reject(new Error('nothing here is sealed'));

const askFor = (operator: Principal, seconds: number): Promise<Startable> =>
  askForErrand('change-settings', operator, async ({ sql }, { operationId, by }) => {
    const row = await schedule(sql, noKeys, {
      set: { 'runs.maxSteps': 321 },
      unset: [],
      dueAt: new Date(Date.now() + seconds * 1_000).toISOString(),
      reason: 'a test',
      author: by,
      operationId,
    });
    return String(row.id);
  });

type Stored = { state: string; version: number | null; outcome: string | null };

async function changeOf(operation: Startable): Promise<Stored> {
  const [row] = await inTenant(await placeFor(operation), ({ sql }) =>
    sql<Stored>('SELECT state, version, outcome FROM scheduled_settings WHERE id = $1', [
      operation.input.subjectId,
    ]),
  );
  return row ?? assert.fail('there is no scheduled change');
}

const versionsOf = async (operation: Startable) =>
  inTenant(await placeFor(operation), ({ sql }) =>
    sql<{ number: number; cause: string; author: Principal }>(
      'SELECT number, cause, author FROM setting_versions ORDER BY number',
    ),
  );

keepsItsPromise({
  criterion: 'R6.5',
  kind: 'change-settings',
  steps: ['dueOfSettings', 'applySettings'],
  waits: ['untilDue'],
  undos: ['withdrawSettings'],
  ask: (operator, patience) => askFor(operator, patience ? 10 : 1),

  async kept(operation) {
    assert.deepEqual(await changeOf(operation), { state: 'applied', version: 1, outcome: null });
    const [version, ...more] = await versionsOf(operation);
    assert.deepEqual(more, []);
    assert.deepEqual([version?.cause, version?.author.id], ['schedule', operation.principal.id]);
    assert.equal((await settingsOf(await placeFor(operation))).get('runs.maxSteps'), 321);
  },

  async undone(operation) {
    assert.equal((await changeOf(operation)).state, 'refused');
    assert.deepEqual(await versionsOf(operation), []);
    assert.equal((await settingsOf(await placeFor(operation))).get('runs.maxSteps'), 1_000);
  },
});

describe('a change of settings at a time', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  it('R6.5 ends at once and changes nothing when it is called off', async () => {
    const operation = await askFor(stage.principal, 600);
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilDue');
    await inTenant(await placeFor(operation), ({ sql }) => callOff(sql, String(operation.input.subjectId)));
    assert.equal(await endErrand(operation), 'asked');
    assertEnded(await end(begun), 'succeeded');
    assert.deepEqual(Object(await storedOperation(operation)).result, { outcome: 'called-off' });
    assert.deepEqual(await versionsOf(operation), []);
    await replayRun(operation, 'called-off');
  });

  it('R6.5 is judged by what holds when its time has come, and says why it cannot hold any more', async () => {
    const operation = await askFor(stage.principal, 2);
    const place = await placeFor(operation);
    const begun = await begin(stage, operation);
    await inTenant(place, async ({ sql }) => {
      await sql(
        "UPDATE scheduled_settings SET changes = jsonb_set(changes, '{set}', '{\"egress.allowedPorts\":[80]}')",
      );
      const strict = {
        document: {},
        packs: ['strict'] as const,
        author: operation.principal,
        reason: 'a test',
      };
      await addVersion(sql, noKeys, { ...strict, cause: 'pack' });
    });
    assertFailedAt('applySettings', await end(begun));
    const { state, outcome } = await changeOf(operation);
    assert.equal(state, 'refused');
    assert.match(outcome ?? '', /egress\.allowedPorts the pack strict asks for only from 443/);
  });

  it('R6.5 changes nothing in the name of somebody who may not any more', async () => {
    const operation = await askFor(stage.principal, 2);
    const begun = await begin(stage, operation);
    await untilStepRuns(operation, 'untilDue');
    await inTenant(await placeFor(operation), ({ sql }) =>
      sql('DELETE FROM role_assignments WHERE principal_id = $1', [operation.principal.id]),
    );
    assertFailedAt('applySettings', await end(begun));
    assert.deepEqual(await versionsOf(operation), []);
  });
});
