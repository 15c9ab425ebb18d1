import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { detailsOf } from '../../models/audit.ts';
import type { Row } from '../../models/batch.ts';
import { cellAdministrator, loginName, useConfig } from '../../models/databases.ts';
import { newId, schemaOf } from '../../models/ids.ts';
import { keyringOf } from '../../models/keyring.ts';
import { migrate } from '../../models/migrate.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { seal } from '../../models/secrets.ts';
import { agentVersion } from '../../models/tenant/agent-version.ts';
import { tenantAuditList } from '../../models/tenant/audit-event.ts';
import { activePersonByEmail } from '../../models/tenant/password-reset.ts';
import { ensureTenantKey, keyRows, unwrapped } from '../../models/tenant-key.ts';
import { ensureTenantSchema, tenantSchemaVersion, upgradeTenantSchema } from '../../models/tenant-schema.ts';
import { asked, attempt, cell, fillingOf } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { everybody } from '../support/people.ts';

const versions = ['0001-foundation', '0002-people'].map((name) =>
  readFileSync(new URL(`../../models/migrations/tenant/${name}.sql`, import.meta.url), 'utf8'),
);

const people = [
  ['usr_x', 'Ada@Acme.example', 'Ada Lovelace'],
  ['usr_y', 'grace@acme.example', 'Grace Hopper'],
];

/** A tenant as an earlier version of Freehold left it, with people in it. */
async function olderTenant(version: number): Promise<Place> {
  const first = versions.slice(0, version).join('\n');
  const place = { tenantId: newId('ten'), cell, login: 0 };
  const schema = schemaOf(place.tenantId);
  const tables = [...first.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, name]) => name);
  const walls = tables.map(
    (table) => `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
      CREATE POLICY inside ON ${table} USING ((SELECT current_setting('app.tenant', true)) = '${place.tenantId}');
      GRANT SELECT, INSERT${table === 'audit_events' ? '' : ', UPDATE, DELETE'} ON ${table} TO ${schema};`,
  );
  await cellAdministrator(
    cell,
  ).query(`BEGIN; CREATE ROLE ${schema} NOLOGIN; GRANT ${schema} TO ${loginName(cell, 0)};
    CREATE SCHEMA ${schema} AUTHORIZATION freehold_owner; GRANT USAGE ON SCHEMA ${schema} TO ${schema};
    SET LOCAL ROLE freehold_owner; SET LOCAL search_path = ${schema}; ${first} ${walls.join('\n')} RESET ROLE;
    INSERT INTO platform.tenant_schemas (tenant_id, version) VALUES ('${place.tenantId}', ${version}); COMMIT`);
  await ensureTenantKey(place, 'test');
  await inTenant(place, async ({ sql }) => {
    for (const row of people)
      await sql(
        "INSERT INTO users (id, email, email_key, name, state) VALUES ($1, $2, lower($2), $3, 'active')",
        row,
      );
    await sql(
      `INSERT INTO audit_events (id, actor, action, subject_type, outcome, before_digest, details)
       VALUES ('evt_x', '{}', 'update User', 'User', 'done', 'd', $1::jsonb), ('evt_y', '{}', 'a', 'Agent', 'done', NULL, '{"kept":1}')`,
      [JSON.stringify({ before: { name: 'Ada' }, after: { name: 'Ada Byron' }, sessionsEnded: 2 })],
    );
    await sql("INSERT INTO idempotency_keys VALUES ('usr_x', 'r', 'k', 'd', 201, '{}', $1::json)", [
      JSON.stringify({ email: 'Ada@Acme.example' }),
    ]);
    await sql(
      "INSERT INTO agents (id, name, name_key, model, instructions) SELECT 'agt_' || n, 'A' || n, 'a' || n, 'demo', $1 || n FROM generate_series(1, 1200) n",
      ['Never tell of Project Zeppelin '],
    );
    if (version < 2) return;
    const [row] = (await keyRows(cell, [place.tenantId])).get(place.tenantId) ?? [];
    assert.ok(row);
    const sealed = seal((await unwrapped(row)).key, 1, Buffer.from('a secret'), 'second-factor/usr_x');
    await sql('INSERT INTO second_factors (user_id, sealed) VALUES ($1, $2)', ['usr_x', sealed]);
  });
  return place;
}

/** Everything the catalogue says of a schema, with the tenant's own name taken out. */
async function catalogueOf({ tenantId }: Place): Promise<unknown> {
  const schema = schemaOf(tenantId);
  const rows = await asked(
    `SELECT 'column' AS kind, table_name || '.' || column_name AS name, concat_ws(' ', data_type, is_nullable, column_default) AS is
     FROM information_schema.columns WHERE table_schema = $1
     UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
       WHERE connamespace = $1::regnamespace
     UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = $1
     UNION ALL SELECT 'policy', tablename || '.' || policyname, qual FROM pg_policies WHERE schemaname = $1
     UNION ALL SELECT 'rights', relname, concat_ws(' ', relacl::text, relrowsecurity, relforcerowsecurity) FROM pg_class
       WHERE relnamespace = $1::regnamespace AND relkind = 'r'
     ORDER BY 1, 2`,
    [schema],
  );
  return JSON.parse(JSON.stringify(rows).replaceAll(schema, 't').replaceAll(tenantId, 'ten'));
}

/** Long texts stand in a table of their own beside theirs. */
async function nothingInFiles({ tenantId }: Place, relations: string[], plain: string[]): Promise<void> {
  await asked('CHECKPOINT');
  const files = await asked<{ path: string }>(
    `SELECT current_setting('data_directory') || '/' || pg_relation_filepath(f.oid) AS path
     FROM pg_class c JOIN pg_class f ON f.oid IN (c.oid, c.reltoastrelid)
     WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY ($2)`,
    [schemaOf(tenantId), relations],
  );
  assert.ok(files.length >= relations.length);
  for (const { path } of files) {
    const bytes = readFileSync(path).toString('latin1');
    for (const text of plain) assert.ok(!bytes.includes(text), `${text} in ${path}`);
  }
}

for (const version of [1, 2])
  describe(`a tenant of version ${version}`, () => {
    let old: Place;

    before(async () => {
      useConfig(await ownConfig());
      old = await olderTenant(version);
    });

    it('R2.4 is brought by migrate to exactly what a new tenant is, and keeps its rows', async () => {
      const said: string[] = [];
      await migrate((done) => said.push(done));
      assert.ok(
        said.includes(`cell ${cell}: 1 tenants now at version ${tenantSchemaVersion}`),
        said.join('\n'),
      );
      const fresh = { tenantId: newId('ten'), cell, login: 0 };
      await ensureTenantSchema(fresh, 'test');
      assert.deepEqual(await catalogueOf(old), await catalogueOf(fresh));
      const rows = await inTenant(old, ({ sql }) => everybody(sql));
      assert.deepEqual(
        rows.map(({ id, email, name }) => [id, email, name]),
        people,
      );
    });

    it('R2.5 has what tells of its people sealed by it, with nothing lost and nothing left in the files', async () => {
      const keyring = await keyringOf(old);
      const { text, values } = tenantAuditList(old.tenantId, {}, { limit: 5 });
      const events = await inTenant(old, ({ sql }) => sql<Row>(text, values));
      assert.deepEqual(
        events.map((row) => detailsOf(keyring, row)),
        [{ kept: 1 }, { before: { name: 'Ada' }, after: { name: 'Ada Byron' }, sessionsEnded: 2 }],
      );
      const [answer] = await inTenant(old, ({ sql }) =>
        sql<{ sealed_body: Buffer }>('SELECT sealed_body FROM idempotency_keys'),
      );
      const body = keyring.open(
        'idempotency_keys.sealed_body',
        'usr_x r k',
        answer?.sealed_body ?? Buffer.alloc(0),
      );
      assert.deepEqual(JSON.parse(body), { email: 'Ada@Acme.example' });
      const found = await inTenant(old, ({ sql }) => activePersonByEmail(sql, 'ADA@acme.example'));
      assert.equal(found, 'usr_x');
      const tables = ['users', 'users_email_key_key', 'audit_events', 'idempotency_keys'];
      await nothingInFiles(old, tables, ['Lovelace', 'acme.example', 'Byron']);
    });

    it('R2.5 has what its agents are told sealed by it, with nothing lost and nothing left in the files', async () => {
      const keyring = await keyringOf(old);
      const told = await inTenant(old, ({ sql }) => agentVersion(sql, keyring, 'agt_1200', 'draft'));
      assert.equal(told.definition.instructions, 'Never tell of Project Zeppelin 1200');
      const [left] = await inTenant(old, ({ sql }) =>
        sql("SELECT 1 FROM agents WHERE sealed_definition IS NULL OR instructions <> ''"),
      );
      assert.equal(left, undefined);
      await nothingInFiles(old, ['agents', 'agents_name_key_key'], ['Zeppelin']);
    });

    it('R2.5 has its second factors sealed anew', async () => {
      const factors = await inTenant(old, ({ sql }) =>
        sql<{ user_id: string; sealed: Buffer }>('SELECT * FROM second_factors'),
      );
      assert.equal(factors.length, version < 2 ? 0 : 1);
      const keyring = await keyringOf(old);
      for (const { user_id, sealed } of factors)
        assert.equal(keyring.open('second_factors.sealed', user_id, sealed), 'a secret');
    });

    it('R2.4 is left alone once it is there', async () => {
      assert.equal(await upgradeTenantSchema(old), false);
    });

    it('R2.4 shows no row of a table that came later without its context', async () => {
      await inTenant(old, ({ sql }) => sql(fillingOf('recovery_codes')));
      const seen = await attempt(
        0,
        { role: schemaOf(old.tenantId) },
        `SELECT 1 FROM ${schemaOf(old.tenantId)}.recovery_codes`,
      );
      assert.ok(typeof seen !== 'string' && seen.rowCount === 0);
    });
  });
