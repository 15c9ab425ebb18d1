import assert from 'node:assert/strict';
import { usageDue } from '../../models/tenant/usage-due.ts';
import { changeLimits } from '../support/limited.ts';
import { eachNear, notified, use } from '../support/near-limits.ts';
import { eventually } from '../support/traces.ts';

const run = (value: number) => ({ meter: 'runs' as const, value });

describe('limits that are watched', () => {
  const near = eachNear();

  it('R5.3 says when it is over: the window turned, the limit was raised, less is used', async () => {
    const { admin, place, sql, thresholds, watched, hooked } = near();
    const why = async () => (await notified(admin)).at(-1)?.data.why;
    await use(place, run(95));
    assert.equal((await usageDue(place)).watch, true);
    await watched();
    assert.deepEqual(await thresholds(admin, 'quota.resolved'), []);
    await changeLimits(place, "UPDATE quotas SET amount = 200 WHERE id = 'plan.runs'");
    await watched();
    assert.deepEqual(await thresholds(admin, 'quota.resolved'), [['plan.runs', 90]]);
    assert.equal(await why(), 'raised');
    // Of the raised limit, its thresholds are crossed anew in the same window.
    await use(place, run(70));
    assert.deepEqual((await thresholds(admin)).at(-1), ['plan.runs', 80]);
    await sql("UPDATE quota_crossings SET resets_at = now() - interval '1 second'");
    await watched();
    assert.equal(await why(), 'window-turned');
    await eventually(async () =>
      assert.equal(hooked().filter(({ type }) => type === 'quota.resolved').length, 2),
    );
  });

  it('R5.3 watches levels that only count: agents cross when there are as many, and resolve when there are fewer', async () => {
    const { acme, admin, thresholds, watched } = near();
    const made: string[] = [];
    for (const name of ['One', 'Two', 'Three', 'Four'])
      made.push((await acme.call<{ id: string }>('POST', '/v1/agents', { name, model: 'demo' })).body.id);
    await watched();
    assert.deepEqual(await thresholds(admin), [['plan.agents', 100]]);
    assert.equal((await acme.call('DELETE', `/v1/agents/${made[0]}`)).status, 204);
    await watched();
    const [last = assert.fail()] = (await notified(admin)).slice(-1);
    assert.deepEqual([last.kind, last.data.why, last.data.used], ['quota.resolved', 'fell', 3]);
  });

  it('R5.3 tells once a day of what turns every minute, by thresholds of one’s own', async () => {
    const { admin, billing, place, sql } = near();
    const quota = (id: string, window: string, scope: string) =>
      sql(
        `INSERT INTO quotas (id, meter, time_window, scope, amount, origin, thresholds) VALUES ($1, 'tool-calls', $2, $3, 10, 'tenant', '{50}')`,
        [id, window, scope],
      );
    await quota('qta_minute', 'minute', 'tenant');
    await quota('qta_agent', 'day', 'agent');
    const call = (more: object) => ({ meter: 'tool-calls' as const, value: 5, ...more });
    await use(place, call({ agentId: 'agt_one' }));
    // As if that had been in the minute before.
    await sql(
      "UPDATE quota_crossings SET window_start = window_start - interval '1 minute' WHERE quota_id = 'qta_minute'",
    );
    await use(place, call({ agentId: 'agt_one' }), call({ agentId: 'agt_two' }));
    const told = (await notified(admin))
      .filter(({ kind }) => kind === 'quota.threshold')
      .map(({ data }) => [data.quotaId, data.scopeId]);
    assert.deepEqual(told.toSorted(), [
      ['qta_agent', 'agt_one'],
      ['qta_agent', 'agt_two'],
      ['qta_minute', ''],
    ]);
    assert.equal((await sql("SELECT FROM quota_crossings WHERE quota_id = 'qta_minute'")).length, 2);
    // Who pays is told of what the plan gives, and of nothing else.
    assert.deepEqual(await notified(billing), []);
  });
});
