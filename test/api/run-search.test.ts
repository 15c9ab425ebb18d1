import assert from 'node:assert/strict';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { type RunFilter, runList, soughtTokens } from '../../models/tenant/run.ts';
import type { RunLabels } from '../../policies/run.ts';
import type { Caller } from '../support/client.ts';
import { keyHolder, placed, useSharedModels } from '../support/people.ts';
import { happen, storedRun } from '../support/stored-runs.ts';
import { type Member, twoTenants } from '../support/tenants.ts';

type Listed = { items: { id: string; labels: RunLabels }[]; nextCursor: string | null };
type Problem = { errors: { pointer: string }[] };

describe('the search for runs', () => {
  let acme: Member;
  let globex: Member;
  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
  });

  const labelled = (labels: RunLabels, of = acme, owner = 'usr_x') =>
    storedRun(of.tenant.id, owner, { labels });
  const found = async (query: Record<string, string>, as: Caller = acme): Promise<string[]> => {
    const { status, body, text } = await as.call<Listed>('GET', `/v1/runs?${new URLSearchParams(query)}`);
    assert.equal(status, 200, text);
    return body.items.map(({ id }) => id);
  };

  it('R6.1 finds runs by a label, by its value, and by words of it, whatever their case', async () => {
    const north = await labelled({ team: 'North West', 'cost-center': 'a=b' });
    const south = await labelled({ team: 'South West' });
    assert.deepEqual(await found({ label: 'team' }), [south, north]);
    assert.deepEqual(await found({ label: 'TEAM=north west' }), [north]);
    assert.deepEqual(await found({ label: 'cost-center=a=b' }), [north]);
    assert.deepEqual(await found({ text: 'west' }), [south, north]);
    assert.deepEqual(await found({ text: 'west NORTH' }), [north]);
    assert.deepEqual(await found({ label: 'team', text: 'south' }), [south]);
    assert.deepEqual(await found({ text: 'north south' }), [], 'a run has to have all words');
    assert.deepEqual(await found({ label: 'a=b' }), [], 'a value is not taken for a label');
    assert.deepEqual(await found({ text: 'west', state: 'succeeded' }), []);
    assert.deepEqual(await found({ text: 'west', limit: '1' }), [south]);
    const page = await acme.call<Listed>('GET', '/v1/runs?text=west&limit=1');
    assert.deepEqual(await found({ text: 'west', cursor: page.body.nextCursor ?? '' }), [north]);
  });

  it('R2.3 finds nothing of another organisation, and of one’s own only what one may see', async () => {
    const canary = 'searchcanary';
    const builder = await keyHolder(acme.tenant.id, 'builder');
    const [own, other] = [
      await labelled({ note: canary }, acme, builder.id),
      await labelled({ note: canary }),
    ];
    assert.deepEqual(await found({ text: canary }), [other, own]);
    assert.deepEqual(await found({ text: canary }, globex), []);
    await labelled({ note: canary }, globex);
    assert.deepEqual(await found({ text: canary }), [other, own]);
    const stored = await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql('SELECT l::text FROM run_labels l'),
    );
    assert.ok(stored.length > 0 && !JSON.stringify(stored).includes(canary));
    const nobody = await acme.call('GET', `/v1/runs?text=${canary}`, undefined, {
      authorization: `Bearer ${builder.token}x`,
    });
    assert.equal(nobody.status, 401);
  });

  it('R6.1 finds runs by when they started and ended', async () => {
    const run = await labelled({ time: 'travel' });
    await happen(acme.tenant.id, run, { state: 'running' });
    await happen(acme.tenant.id, run, { state: 'succeeded' });
    await inTenant(await placed(acme.tenant.id), ({ sql }) =>
      sql("UPDATE runs SET started_at = '2020-01-02T10:00Z', ended_at = '2020-01-02T11:00Z' WHERE id = $1", [
        run,
      ]),
    );
    const [before, at, after] = ['2020-01-02T10:00:00Z', '2020-01-02T11:00:00Z', '2020-01-02T11:00:01Z'];
    assert.deepEqual(await found({ startedFrom: before, startedUntil: at }), [run]);
    assert.deepEqual(await found({ startedUntil: before }), []);
    assert.deepEqual(await found({ endedFrom: at, endedUntil: after }), [run]);
    assert.deepEqual(await found({ endedFrom: before, endedUntil: at }), []);
  });

  it('R6.1 says what is wrong with a search', async () => {
    for (const query of ['text=…', `text=${'a+'.repeat(11)}`, 'label=', 'startedFrom=yesterday']) {
      const { status, body } = await acme.call<Problem>('GET', `/v1/runs?${query}`);
      assert.equal(status, 400, query);
      assert.equal(body.errors[0]?.pointer, `?${query.split('=')[0]}`);
    }
  });

  it('R2.4 goes along an index under the tenant’s role and row-level security', async () => {
    const place = await placed(acme.tenant.id);
    const keyring = await keyringOf(place);
    await labelled({ team: 'needle' });
    await inTenant(place, async ({ sql }) => {
      await sql(`INSERT INTO runs (id, agent_id, environment, state, owner_id, principal, limits, sealed_plan,
          sealed_input, sealed_labels, started_at, ended_at)
        SELECT 'run_' || n, 'agt_x', 'live', 'succeeded', 'usr_x', '{}', '{}', '', '', '',
          '2021-01-01'::timestamptz + n * interval '1 hour', '2021-01-01'::timestamptz + n * interval '1 hour'
        FROM generate_series(1, 5000) n`);
      await sql(
        "INSERT INTO run_labels SELECT 'token' || (n % 50), 'run_' || n FROM generate_series(1, 5000) n",
      );
      await sql('ANALYZE runs');
      await sql('ANALYZE run_labels');
      const visible = (first: number) => ({ text: `owner_id <> $${first}`, values: ['usr_nobody'] });
      const planOf = async (filter: RunFilter) => {
        const { text, values } = runList(place.tenantId, filter, visible, { limit: 51 });
        const rows = await sql<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE) ${text}`, [...values]);
        return rows.map((row) => row['QUERY PLAN']).join('\n');
      };
      const tokens = soughtTokens(keyring, { text: 'needle' });
      const plans: [RegExp, RunFilter][] = [
        [/run_labels_(pkey|run)/, { tokens }],
        [/runs_started/, { startedFrom: '2021-02-01T00:00:00Z', startedUntil: '2021-02-02T00:00:00Z' }],
        [/runs_ended/, { endedFrom: '2021-02-01T00:00:00Z', endedUntil: '2021-02-02T00:00:00Z' }],
      ];
      for (const [index, filter] of plans) {
        const plan = await planOf(filter);
        assert.match(plan, index);
        assert.match(plan, /Index Cond: /);
        assert.ok(!/Seq Scan/.test(plan), plan);
      }
      await sql("DELETE FROM runs WHERE agent_id = 'agt_x'");
    });
  });
});
