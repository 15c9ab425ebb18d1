import assert from 'node:assert/strict';
import { reconcileUsage } from '../../activities/usage-watch.ts';
import { useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { beginUse, endUse } from '../../models/tenant/llm-use.ts';
import { countTokens } from '../../models/tenant/token-use.ts';
import type { Reading } from '../../models/tenant/usage.ts';
import { type Drift, daysToReconcile, reconcileDay } from '../../models/tenant/usage-reconciliation.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import { log, usageDrifts } from '../../telemetry.ts';
import { ownConfig } from '../support/environment.ts';
import { madeTenant, operator } from '../support/lifecycle.ts';
import { limitedBy } from '../support/limited.ts';
import { allCounted } from '../support/metered.ts';
import { placed } from '../support/people.ts';

describe('the reconciliation of what was used', () => {
  let place: Place;
  const dayMs = 86_400_000;
  const yesterday = new Date(Date.now() - dayMs).toISOString().slice(0, 10);
  const at = new Date(`${yesterday}T10:20:30Z`);
  const today = new Date().toISOString().slice(0, 10);

  before(async () => {
    useConfig(await ownConfig());
    log.level = 'fatal';
  });
  beforeEach(async () => {
    place = await placed((await madeTenant(await operator())).tenantId);
    await limitedBy(place, { id: 'q' });
    const readings = Array.from(
      { length: 40 },
      (_, n): Reading => ({
        source: 'test',
        id: `r${n}`,
        meter: n % 2 === 0 ? 'tool-calls' : 'tokens.input',
        value: n + 0.5,
        at: new Date(at.getTime() + n * 600_000),
      }),
    );
    await inTenant(place, ({ sql }) => takeReadings(sql, readings));
  });

  const tamper = (text: string, values: unknown[] = []) => inTenant(place, ({ sql }) => sql(text, values));
  const drifts = async (day = yesterday): Promise<Drift['check'][]> =>
    (await reconcileDay(place, day)).drifts.map(({ check }) => check);

  /** A call as it is written down and counted; its tokens are told by the provider. */
  async function call(counted: boolean): Promise<string> {
    const tokens = { input: 11, output: 7, cached: 4, reasoning: 0 };
    const seq = await inTenant(place, async ({ sql }) => {
      const use = { purpose: 'run', principalId: 'usr_x', model: 'm', region: 'EU' } as const;
      const begun = await beginUse(sql, { ...use, providerId: 'llm_x', credential: null });
      await endUse(sql, begun, { outcome: 'answered', tokens, milliseconds: 1 });
      if (counted) await countTokens(sql, { reservationId: 'none' }, { seq: begun, model: 'm', tokens });
      return begun;
    });
    await allCounted(place);
    return seq;
  }

  it('R5.1 finds nothing where nothing is wrong, whatever was compared', async () => {
    await call(true);
    for (const day of [yesterday, today]) {
      const done = await reconcileDay(place, day);
      assert.deepEqual(done.drifts, []);
      assert.ok(done.compared > 3, `${done.compared} compared`);
    }
  });

  it('R5.1 sees an hour, a day and a limit that were changed, and a reading that was taken away', async () => {
    await tamper('UPDATE usage_hours SET value = value + 1 WHERE hour = (SELECT min(hour) FROM usage_hours)');
    assert.deepEqual([...new Set(await drifts())].sort(), ['days', 'hours', 'limits'].sort());
    await tamper('UPDATE usage_hours SET value = value - 1 WHERE hour = (SELECT min(hour) FROM usage_hours)');
    assert.deepEqual(await drifts(), []);
    await tamper("UPDATE quota_counters SET used = used - 3 WHERE quota_id = 'q'");
    assert.deepEqual(await drifts(), ['limits']);
    await tamper("UPDATE quota_counters SET used = used + 3 WHERE quota_id = 'q'");
    await tamper('DELETE FROM usage_events WHERE at = (SELECT max(at) FROM usage_events WHERE at < $1)', [
      today,
    ]);
    assert.deepEqual(await drifts(), ['hours']);
  });

  it('R5.1 sees a call whose tokens the provider told of and nobody counted', async () => {
    await call(true);
    assert.deepEqual(await drifts(today), []);
    await call(false);
    const { drifts: found } = await reconcileDay(place, today);
    assert.deepEqual(found, [
      { check: 'tokens', what: 'cached m', expected: '8', actual: '4' },
      { check: 'tokens', what: 'input m', expected: '22', actual: '11' },
      { check: 'tokens', what: 'output m', expected: '14', actual: '7' },
    ]);
  });

  it('R5.1 looks at each day that is over, from the first on, and tells tenant and operators of what differs', async () => {
    await tamper('UPDATE usage_days SET day = day - 1 WHERE series = (SELECT min(series) FROM usage_days)');
    const before = new Date(Date.parse(yesterday) - dayMs).toISOString().slice(0, 10);
    assert.deepEqual(await daysToReconcile(place), [before, yesterday]);
    const told = async () =>
      (await usageDrifts.get()).values.filter(({ labels }) => labels.tenant === place.tenantId).length;
    assert.equal(await told(), 0);
    await reconcileUsage(place);
    assert.deepEqual(await daysToReconcile(place), []);
    assert.equal(await told(), 1);
    const events = await tamper(
      "SELECT outcome, subject_id, actor ->> 'id' AS actor FROM audit_events WHERE action = 'reconcile Usage' ORDER BY 2",
    );
    const failed = (day: string) => ({ outcome: 'failed', subject_id: day, actor: 'system:meter' });
    assert.deepEqual(events, [failed(before), failed(yesterday)]);
  });

  it('R5.1 looks again at a day whose readings came late, and at none that nothing was used by', async () => {
    const late = (days: number): Reading => ({
      ...{ source: 'test', id: `late${days}`, meter: 'tool-calls', value: 7 },
      at: new Date(at.getTime() - days * dayMs),
    });
    await reconcileUsage(place);
    assert.deepEqual(await daysToReconcile(place), []);
    await inTenant(place, ({ sql }) => takeReadings(sql, [late(30)]));
    assert.equal((await daysToReconcile(place)).length, 30, 'a first day before those that were looked at');
    await reconcileUsage(place);
    const later = { ...late(30), id: 'later' };
    await inTenant(place, ({ sql }) => takeReadings(sql, [later, { ...later, id: 'latest' }]));
    const [day] = [later.at.toISOString().slice(0, 10)];
    assert.deepEqual(await daysToReconcile(place), [day]);
    await reconcileUsage(place);
    assert.deepEqual(await daysToReconcile(place), []);
    const found = await tamper("SELECT day FROM usage_reconciliations WHERE drifts <> '[]'");
    assert.deepEqual(found, []);
    const unused = await placed((await madeTenant(await operator())).tenantId);
    assert.deepEqual(await daysToReconcile(unused), []);
  });
});
