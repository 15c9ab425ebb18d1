import assert from 'node:assert/strict';
import { inTenant, type Place } from '../../models/scope.ts';
import type { Reading } from '../../models/tenant/usage.ts';
import { reconcileDay } from '../../models/tenant/usage-reconciliation.ts';
import { takeReadings } from '../../models/tenant/usage-taking.ts';
import type { MeterName } from '../../policies/meters.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { freshSlug, type Member, member } from '../support/tenants.ts';

type Repaired = {
  day: string;
  changed: number;
  changes: { part: string; what: string; before: string | null; after: string | null }[];
  remaining: { check: string }[];
  detail: string;
};

describe('the repair of what was counted', () => {
  let acme: Member;
  let place: Place;
  const today = new Date().toISOString().slice(0, 10);
  const dayAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
  const compact = (day: string) => day.replaceAll('-', '');
  before(() => useSharedModels());
  beforeEach(async () => {
    acme = await member();
    place = await placed(acme.tenant.id);
    await acme.call('POST', '/v1/quotas', {
      meter: 'tool-calls',
      window: 'day',
      scope: 'agent',
      amount: 10_000,
    });
    await take(Array.from({ length: 60 }, (_, n) => readingOf(n)));
  });

  /** Spread over the day up to now: sums, members, changes of a level at a time, a measured level. */
  const readingOf = (n: number): Reading => {
    const begin = Date.parse(`${today}T00:00:00Z`);
    const meters: MeterName[] = [
      'tool-calls',
      'tokens.input',
      'runs.concurrent',
      'users.active',
      'storage.bytes',
    ];
    const meter = meters[n % meters.length] ?? 'runs';
    const value = meter === 'users.active' ? 1 : meter === 'runs.concurrent' && n % 2 === 1 ? -1 : n + 1;
    return {
      ...{
        source: 'test',
        id: freshSlug('r'),
        meter,
        value,
        at: new Date(begin + ((Date.now() - begin) * n) / 60),
      },
      ...(meter === 'users.active' && { member: `usr_${n % 7}` }),
      ...(meter === 'tool-calls' && { agentId: `agt_${n % 2}` }),
      ...(meter === 'storage.bytes' && { kind: 'proof' }),
    };
  };
  const take = (readings: Reading[]) => inTenant(place, ({ sql }) => takeReadings(sql, readings));
  const run = <T extends object>(text: string, values: unknown[] = []) =>
    inTenant(place, ({ sql }) => sql<T>(text, values));
  const repair = (day = today, query = '', as: Pick<Member, 'call'> = acme) =>
    as.call<Repaired>('POST', `/v1/usage/reconciliations/${compact(day)}/repairs${query}`, {
      reason: 'a disk that lied',
    });
  // What the test's own requests use comes in as well, whenever it is counted.
  const ours = ['tool-calls', 'tokens.input', 'runs.concurrent', 'storage.bytes'];
  const ofSeries = `series IN (SELECT id FROM usage_series WHERE meter IN ('tool-calls', 'tokens.input', 'runs.concurrent')
    OR kind = 'proof')`;
  const settled = (all: { check: string }[]) => all.filter(({ check }) => check !== 'outbox');
  const ofOurs = ({ changes }: Repaired) =>
    changes.filter(({ what }) => [...ours, 'plan.tokens'].some((name) => what.startsWith(name)));
  const drifts = async () => settled((await reconcileDay(place, today)).drifts).map(({ check }) => check);
  const ofReadings = () => run(`SELECT key, value FROM usage_events WHERE ${ofSeries} ORDER BY key`);
  const sums = 'value, events, peak, last, last_at, weighted';
  const standing = () =>
    run(
      `SELECT 'hour' AS of, series, hour::text AS at, ${sums} FROM usage_hours WHERE ${ofSeries} UNION ALL
       SELECT 'day', series, day::text, ${sums} FROM usage_days WHERE ${ofSeries} UNION ALL
       SELECT 'member ' || member, 0, day::text, 0, 0, 0, 0, NULL, 0 FROM usage_members WHERE length(member) < 12 UNION ALL
       SELECT quota_id || scope_id, 0, window_start::text, used, 0, 0, 0, NULL, 0 FROM quota_counters
       WHERE quota_id = 'plan.tokens' OR scope_id <> '' ORDER BY 1, 2, 3`,
    );
  const corrupt = async () => {
    await run('UPDATE usage_hours SET value = value + 7, events = events + 1 WHERE series % 2 = 0');
    await run('DELETE FROM usage_hours WHERE hour = (SELECT max(hour) FROM usage_hours)');
    await run('UPDATE usage_days SET weighted = weighted * 2 + 1, peak = peak + 1, last = 0');
    await run(
      "INSERT INTO usage_hours SELECT series, hour - interval '1 minute', 1, 1, 1, 1, hour, 0 FROM usage_hours WHERE hour > $1::date LIMIT 1",
      [today],
    );
    await run("DELETE FROM usage_members WHERE member = 'usr_3'");
    await run("INSERT INTO usage_members SELECT series, day, 'usr_nobody' FROM usage_members LIMIT 1");
    await run(
      "UPDATE quota_counters SET used = used + 1000000 WHERE quota_id = 'plan.tokens' OR scope_id <> ''",
    );
  };

  it('R5.1 makes sums and limits what the readings say again, of which none is changed', async () => {
    const [sound, readings] = [await standing(), await ofReadings()];
    await corrupt();
    assert.deepEqual([...new Set(await drifts())], ['hours', 'days', 'limits']);
    const broken = await standing();
    const tried = await repair(today, '?dryRun=true');
    assert.equal(tried.status, 200, tried.text);
    assert.deepEqual(await standing(), broken);
    const done = await repair();
    assert.deepEqual([done.status, done.body.day, settled(done.body.remaining)], [200, today, []], done.text);
    assert.deepEqual(ofOurs(done.body), ofOurs(tried.body));
    assert.deepEqual(
      [...new Set(done.body.changes.map(({ part }) => part))],
      ['hours', 'days', 'members', 'limits'],
    );
    const limit = done.body.changes.find(({ what }) => what === 'plan.tokens');
    assert.equal(Number(limit?.before) - Number(limit?.after), 1_000_000);
    assert.deepEqual(await standing(), sound);
    assert.deepEqual(await ofReadings(), readings);
    assert.deepEqual(await drifts(), []);
    const again = await repair();
    assert.deepEqual([again.body.changed, again.body.changes], [0, []]);
    const [event] = await run(
      "SELECT outcome, reason FROM audit_events WHERE action = 'repair Usage' ORDER BY id LIMIT 1",
    );
    assert.deepEqual(event, { outcome: 'done', reason: 'a disk that lied' });
  });

  it('R5.1 loses and doubles nothing of what comes in meanwhile', async () => {
    await corrupt();
    await drifts();
    let over = false;
    const ingest = async (from: number) => {
      let taken = 0;
      for (let n = from; !over || taken < 5; n += 20, taken += 1)
        await take(Array.from({ length: 20 }, (_, at) => readingOf((n + at) % 60)));
      return taken;
    };
    const ingesting = [0, 3, 7].map(ingest);
    const repairs = [];
    for (let times = 0; times < 4; times += 1) {
      repairs.push(await repair());
      await run(
        'UPDATE usage_days SET value = value + 1 WHERE series = (SELECT min(series) FROM usage_days)',
      );
    }
    over = true;
    const batches = (await Promise.all(ingesting)).reduce((sum, each) => sum + each, 0);
    assert.deepEqual(
      repairs.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    const last = await repair();
    assert.deepEqual([last.status, settled(last.body.remaining)], [200, []]);
    const all = await run<{ meter: string; raw: string; hours: string; days: string; readings: string }>(
      `SELECT s.meter, (SELECT sum(value) FROM usage_events e WHERE e.series = s.id) AS raw,
         (SELECT count(*) FROM usage_events e WHERE e.series = s.id) AS readings,
         (SELECT sum(value) FROM usage_hours h WHERE h.series = s.id) AS hours,
         (SELECT sum(value) FROM usage_days d WHERE d.series = s.id) AS days FROM usage_series s`,
    );
    for (const { meter, raw, hours, days } of all)
      assert.deepEqual([Number(hours), Number(days)], [Number(raw), Number(raw)], meter);
    // Of five readings one is a call of a tool, and one is of tokens.
    const mine = all.filter(({ meter }) => meter === 'tool-calls' || meter === 'tokens.input');
    assert.equal(
      mine.reduce((sum, { readings }) => sum + Number(readings), 0),
      24 + batches * 8,
    );
    const tokens = all.find(({ meter }) => meter === 'tokens.input');
    const [counter] = await run<{ used: string }>(
      "SELECT used FROM quota_counters WHERE quota_id = 'plan.tokens'",
    );
    assert.equal(Number(counter?.used), Number(tokens?.raw));
    assert.equal((await repair()).body.changed, 0);
  }).timeout(60_000);

  it('R5.1 is for those who administer, of days that were compared and are not long over', async () => {
    await drifts();
    const viewer = await keyHolder(acme.tenant.id, 'billing');
    assert.equal((await repair(today, '', viewer)).status, 403);
    for (const day of ['2020-01-01', '2020-13-41', dayAgo(-1), dayAgo(3)]) {
      const absent = await repair(day);
      assert.equal(absent.status, 404);
      assert.match(absent.body.detail, /not compared. Each is within an hour of its end/);
    }
    await run("INSERT INTO usage_reconciliations (day, compared, drifts) VALUES ('2020-01-01', 1, '[]')");
    const old = await repair('2020-01-01');
    assert.equal(old.status, 409);
    assert.match(old.body.detail, /more than 35 days ago may have been invoiced/);
    assert.equal(
      (await acme.call('POST', '/v1/usage/reconciliations/x/repairs', { reason: 'x' })).status,
      404,
    );
  });
});
