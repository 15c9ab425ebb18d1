import assert from 'node:assert/strict';
import { useConfig } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { measureUsage, storageSql } from '../../models/tenant/usage-measures.ts';
import { tenantTableNames } from '../../models/tenant-schema.ts';
import { storageKindOf, storageKinds } from '../../policies/storage-kind.ts';
import { ownConfig } from '../support/environment.ts';
import { madeTenant, operator } from '../support/lifecycle.ts';
import { limitedBy, standing } from '../support/limited.ts';
import { placed } from '../support/people.ts';

describe('what is measured of an organisation', () => {
  let place: Place;
  before(async () => {
    useConfig(await ownConfig());
  });
  beforeEach(async () => {
    place = await placed((await madeTenant(await operator())).tenantId);
  });

  const ask = <T extends object>(text: string, values: unknown[] = []) =>
    inTenant(place, ({ sql }) => sql<T>(text, values));

  async function measured(meter: string): Promise<Record<string, number>> {
    const rows = await ask<{ kind: string; last: number }>(
      `SELECT s.kind, (array_agg(d.last ORDER BY d.day DESC))[1]::float8 AS last FROM usage_series s
       JOIN usage_days d ON d.series = s.id WHERE s.meter = $1 GROUP BY 1`,
      [meter],
    );
    return Object.fromEntries(rows.map(({ kind, last }) => [kind, last]));
  }

  it('R5.1 are its bytes on disk by kind of data, every table and partition once', async () => {
    await measureUsage(place);
    const bytes = await measured('storage.bytes');
    assert.deepEqual(Object.keys(bytes).sort(), [...storageKinds].sort());
    const [whole] = await ask<{ bytes: number }>(
      `SELECT sum(pg_total_relation_size(c.oid))::float8 AS bytes FROM pg_class c
       WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')`,
    );
    const sum = Object.values(bytes).reduce((total, each) => total + each, 0);
    // Taking the measure has itself written some.
    const grown = (whole?.bytes ?? 0) - sum;
    assert.ok(sum > 100_000 && grown >= 0 && grown < 1_000_000, `${sum} of ${whole?.bytes} bytes`);
  });

  it('R5.1 are its people and agents, and limits know of them', async () => {
    await limitedBy(place, { id: 'q', meter: 'agents', window: 'level', amount: 9 });
    await ask("INSERT INTO agents (id, name, name_key, model) VALUES ('agt_1', 'one', 'one', 'demo')");
    await measureUsage(place);
    assert.deepEqual(await measured('agents'), { '': 1 });
    assert.deepEqual(await standing(place, 'q'), [{ scopeId: '', used: 1, reserved: 0 }]);
    const [seats] = Object.values(await measured('seats'));
    assert.equal(seats, 1);
  });

  it('R5.1 are told again only when they changed, and once a day', async () => {
    const events = async () =>
      Number(
        (
          await ask<{ n: string }>(
            "SELECT count(*) AS n FROM usage_events e JOIN usage_series s ON s.id = e.series WHERE s.meter = 'agents'",
          )
        )[0]?.n,
      );
    const now = new Date();
    const hour = (hours: number) => new Date(now.getTime() - hours * 3_600_000);
    await measureUsage(place, hour(48));
    await measureUsage(place, hour(48));
    assert.equal(await events(), 1);
    await measureUsage(place, hour(24));
    assert.equal(await events(), 2);
    await ask("INSERT INTO agents (id, name, name_key, model) VALUES ('agt_1', 'one', 'one', 'demo')");
    await measureUsage(place, hour(0));
    assert.deepEqual(await measured('agents'), { '': 1 });
  });

  it('R5.1 cost the same however many organisations there are: no list of all tables is read', async () => {
    const plan = await ask(`EXPLAIN ${storageSql}`, [tenantTableNames]);
    assert.doesNotMatch(JSON.stringify(plan), /pg_class/);
  });

  it('R5.1 put every table into a kind that says what it is', () => {
    const other = tenantTableNames.filter((table) => storageKindOf(table) === 'other');
    assert.ok(other.length < tenantTableNames.length / 2, other.join(', '));
    assert.equal(storageKindOf('run_events'), 'runs');
    assert.equal(storageKindOf('usage_events'), 'usage');
  });
});
