import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pg from 'pg';
import { schemaOf } from '../../models/ids.ts';
import { openTemporal } from '../../temporal/client.ts';
import { lifecycleId, sweepId } from '../../workflows/registry.ts';
import { databasesOf } from './deployment.ts';
import type { Settings } from './environment.ts';

/** Everything there is of a tenant, counted by the administrators of the databases and by Temporal. */
export type Traces = Record<
  | 'rows'
  | 'addresses'
  | 'subscriptions'
  | 'operations'
  | 'workflows'
  | 'schemas'
  | 'roles'
  | 'keys'
  | 'intakes'
  | 'invitations'
  | 'people',
  number
>;

const madeOnce: Traces = {
  rows: 1,
  addresses: 1,
  subscriptions: 1,
  operations: 1,
  workflows: 1,
  schemas: 1,
  roles: 1,
  keys: 1,
  intakes: 0,
  invitations: 1,
  people: 1,
};

/** A failed onboarding leaves its row, which says why, its operation and its history. */
export const onlyRemembered: Traces = {
  ...madeOnce,
  addresses: 0,
  subscriptions: 0,
  schemas: 0,
  roles: 0,
  keys: 0,
  invitations: 0,
  people: 0,
};

type Whose = { id: string; region: 'eu' | 'us' };

export async function tracesOf(settings: Settings, { id, region }: Whose): Promise<Traces> {
  const urls = databasesOf(settings);
  const schema = schemaOf(id);
  const system = await counted(urls.system, {
    rows: `tenants WHERE id = '${id}'`,
    addresses: `slugs WHERE tenant_id = '${id}'`,
    subscriptions: `subscriptions WHERE tenant_id = '${id}' AND state = 'active'`,
    operations: `operations WHERE tenant_id = '${id}'`,
  });
  const cell = await counted(urls[region], {
    schemas: `pg_namespace WHERE nspname = '${schema}'`,
    roles: `pg_roles WHERE rolname = '${schema}'`,
    keys: `platform.tenant_keys WHERE tenant_id = '${id}' AND wrapped IS NOT NULL`,
    intakes: `platform.intake WHERE tenant_id = '${id}'`,
  });
  const inside =
    cell.schemas === 0
      ? { invitations: 0, people: 0 }
      : await counted(urls[region], { invitations: `${schema}.invitations`, people: `${schema}.users` });
  return { ...system, ...cell, ...inside, workflows: await workflowsOf(settings, id) };
}

/** Counts by name of what follows FROM. */
export async function counted<Name extends string>(
  url: string,
  what: Record<Name, string>,
): Promise<Record<Name, number>> {
  const columns = Object.entries(what).map(
    ([name, from]) => `(SELECT count(*)::int FROM ${from}) AS ${name}`,
  );
  const [row] = await asked<Record<Name, number>>(url, `SELECT ${columns.join(', ')}`);
  if (!row) throw new Error('a count answered no row');
  return row;
}

/** As the administrator, whom row-level security does not hold back. */
export async function asked<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** How many lifecycle workflows the tenant has had. */
export async function workflowsOf(settings: Settings, tenantId: string): Promise<number> {
  return withTemporal(settings, async ({ workflow }) => {
    return (await workflow.count(`WorkflowId = '${lifecycleId(tenantId)}'`)).count;
  });
}

/** Has the sweep run now instead of within 30 seconds, until it has looked at this operation. */
export async function sweep(settings: Settings, operationId: string): Promise<void> {
  const looked = `operations WHERE id = '${operationId}' AND checked_at IS NOT NULL`;
  await withTemporal(settings, ({ schedule }) =>
    eventually(async () => {
      await schedule.getHandle(sweepId).trigger();
      await pause(500);
      assert.equal((await counted(databasesOf(settings).system, { looked })).looked, 1);
    }, 20),
  );
}

async function withTemporal<T>(settings: Settings, act: (client: Client) => Promise<T>): Promise<T> {
  const { client, connection } = openTemporal({
    address: settings.FREEHOLD_TEMPORAL_ADDRESS ?? '',
    namespace: settings.FREEHOLD_TEMPORAL_NAMESPACE ?? '',
    apiKey: '',
  });
  try {
    return await act(client);
  } finally {
    await connection.close();
  }
}

/** Places are counted as they are taken; where the counters of cells and logins differ from the tenants there are. */
export async function placesThatDrifted(settings: Settings): Promise<unknown[]> {
  const there = "t.state NOT IN ('failed', 'deleted')";
  return asked(
    databasesOf(settings).system,
    `SELECT c.name, c.tenants, count(t.id)::int AS there FROM cells c
       LEFT JOIN tenants t ON t.cell = c.name AND ${there}
     GROUP BY c.name HAVING c.tenants <> count(t.id)
     UNION ALL
     SELECT l.cell || '/' || l.number, l.tenants, count(t.id)::int FROM logins l
       LEFT JOIN tenants t ON (t.cell, t.login) = (l.cell, l.number) AND ${there}
     GROUP BY l.cell, l.number, l.tenants HAVING l.tenants <> count(t.id)`,
  );
}

/** For what is true a moment later: the last step of an operation cleans up after it has closed its row. */
export async function eventually(check: () => Promise<void>, seconds = 10): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; ; await pause(100)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** One of everything, and every place counted once. */
export async function assertMadeOnce(settings: Settings, tenant: Whose): Promise<void> {
  await eventually(async () => assert.deepEqual(await tracesOf(settings, tenant), madeOnce));
  assert.deepEqual(await placesThatDrifted(settings), []);
}
