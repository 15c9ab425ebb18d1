import type { PoolClient } from 'pg';
import { type Keyring, keyringOf } from './keyring.ts';
import type { Place } from './scope.ts';
import { open } from './secrets.ts';
import { emailIndex } from './tenant/person.ts';
import { keyRows, unwrapped } from './tenant-key.ts';

/**
 * Seals what stood in plain columns of older tenants, each where a migration has a mark of its name: people from version
 * 3 on, what agents are told from version 7 on. Runs inside the migration's transaction, as the schema's owner, after the
 * sealed columns are there and before the plain ones go: all of it happens, or nothing.
 */
type Tenant = Pick<Place, 'cell' | 'tenantId'>;
type Sealing = {
  seal(client: PoolClient, tenant: Tenant): Promise<void>;
  /** What held it in the clear. */
  tables: string[];
};

async function sealWhoIsThere(client: PoolClient, tenant: Tenant): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    'SELECT EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM audit_events) OR EXISTS (SELECT FROM idempotency_keys) AS there',
  );
  // A tenant that is just being made has no key yet, and nothing to seal.
  if (!rows[0]?.there) return;
  const keyring = await keyringOf({ ...tenant, login: 0 });
  await sealPeople(client, keyring);
  await sealFactors(client, keyring, tenant);
  await sealAnswers(client, keyring);
  await sealTrail(client, keyring);
}

type Sealed = (string | Buffer | null)[][];

/** One statement for all rows: `set` sees them as `s`, its columns named by `columns`, text unless it says bytea. */
async function update(client: PoolClient, table: string, match: string, columns: string[], rows: Sealed) {
  if (rows.length === 0) return;
  const arrays = columns.map(
    (column, at) => `$${at + 1}::${column.startsWith('sealed') ? 'bytea' : 'text'}[]`,
  );
  const set = columns.slice(1).map((column) => `${column} = s.${column}`);
  await client.query(
    `UPDATE ${table} t SET ${set.join(', ')} FROM unnest(${arrays.join(', ')}) s(${columns.join(', ')}) WHERE ${match}`,
    columns.map((_, at) => rows.map((row) => row[at] ?? null)),
  );
}

async function sealPeople(client: PoolClient, keyring: Keyring): Promise<void> {
  const { rows } = await client.query<{ id: string; email: string; name: string }>(
    'SELECT id, email, name FROM users',
  );
  const sealed = rows.map(({ id, email, name }) => [
    id,
    keyring.seal('users.sealed_email', id, email),
    keyring.seal('users.sealed_name', id, name),
    emailIndex(keyring, email),
  ]);
  await update(client, 'users', 't.id = s.id', ['id', 'sealed_email', 'sealed_name', 'email_key'], sealed);
}

/** These were sealed before, under the key itself and without a commitment. */
async function sealFactors(client: PoolClient, keyring: Keyring, { cell, tenantId }: Tenant): Promise<void> {
  const { rows } = await client.query<{ user_id: string; sealed: Buffer }>(
    'SELECT user_id, sealed FROM second_factors',
  );
  const [first] = (await keyRows(cell, [tenantId])).get(tenantId) ?? [];
  if (rows.length === 0 || !first) return;
  const { key } = await unwrapped(first);
  const sealed = rows.map((row) => [
    row.user_id,
    keyring.sealBytes(
      'second_factors.sealed',
      row.user_id,
      open(key, row.sealed, `second-factor/${row.user_id}`),
    ),
  ]);
  await update(client, 'second_factors', 't.user_id = s.user_id', ['user_id', 'sealed'], sealed);
}

async function sealAnswers(client: PoolClient, keyring: Keyring): Promise<void> {
  const { rows } = await client.query<{ name: string; body: string }>(
    `SELECT principal || ' ' || route || ' ' || key AS name, body::text FROM idempotency_keys WHERE body IS NOT NULL`,
  );
  const sealed = rows.map(({ name, body }) => [
    name,
    keyring.seal('idempotency_keys.sealed_body', name, body),
  ]);
  const match = "t.principal || ' ' || t.route || ' ' || t.key = s.name";
  await update(client, 'idempotency_keys', match, ['name', 'sealed_body'], sealed);
}

const batchRows = 1_000;

async function sealTrail(client: PoolClient, keyring: Keyring): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ id: string; details: { before?: unknown; after?: unknown } }>(
      `SELECT id, details FROM audit_events WHERE details ?| '{before,after}' ORDER BY seq LIMIT ${batchRows}`,
    );
    if (rows.length === 0) return;
    const sealed = rows.map(({ id, details: { before, after } }) => [
      id,
      keyring.seal('audit_events.sealed_details', id, JSON.stringify({ before, after })),
      ...[before, after].map((each) =>
        each === undefined ? null : keyring.blindIndex('audit_events.sealed_details', JSON.stringify(each)),
      ),
    ]);
    const columns = ['id', 'sealed_details', 'before_digest', 'after_digest'];
    await update(client, 'audit_events', 't.id = s.id', columns, sealed);
    await client.query(
      "UPDATE audit_events SET details = details - '{before,after}'::text[] WHERE id = ANY ($1)",
      [rows.map(({ id }) => id)],
    );
  }
}

async function sealAgents(client: PoolClient, tenant: Tenant): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ id: string; instructions: string }>(
      `SELECT id, instructions FROM agents WHERE sealed_definition IS NULL ORDER BY id LIMIT ${batchRows}`,
    );
    if (rows.length === 0) return;
    const keyring = await keyringOf({ ...tenant, login: 0 });
    const sealed = rows.map(({ id, instructions }) => [
      id,
      keyring.seal('agents.sealed_definition', id, JSON.stringify({ instructions })),
      '',
    ]);
    await update(client, 'agents', 't.id = s.id', ['id', 'sealed_definition', 'instructions'], sealed);
  }
}

export const sealings: ReadonlyMap<string, Sealing> = new Map([
  [
    'people',
    { seal: sealWhoIsThere, tables: ['users', 'second_factors', 'idempotency_keys', 'audit_events'] },
  ],
  ['agents', { seal: sealAgents, tables: ['agents'] }],
]);

/** A dropped column and a changed row stay in the files of a table until it is written anew. */
export const rewritten = (schema: string, sealed: string[]): string =>
  sealed
    .flatMap((name) => sealings.get(name)?.tables ?? [])
    .map((table) => `CLUSTER ${schema}.${table} USING ${table}_pkey;`)
    .join('\n');
