import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cellAdministrator, loginName, useConfig } from '../../models/databases.ts';
import { newId, schemaOf } from '../../models/ids.ts';
import { migrate } from '../../models/migrate.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { ensureTenantSchema, tenantSchemaVersion, upgradeTenantSchema } from '../../models/tenant-schema.ts';
import { asked, attempt, cell, fillingOf } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';

const first = readFileSync(
  new URL('../../models/migrations/tenant/0001-foundation.sql', import.meta.url),
  'utf8',
);

/** A tenant as the first version of Freehold left it, with a person in it. */
async function firstVersionTenant(): Promise<Place> {
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
    INSERT INTO platform.tenant_schemas (tenant_id, version) VALUES ('${place.tenantId}', 1); COMMIT`);
  await inTenant(place, ({ sql }) => sql(fillingOf('users')));
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

describe('a tenant of an older version', () => {
  let old: Place;

  before(async () => {
    useConfig(await ownConfig());
    old = await firstVersionTenant();
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
    const rows = await inTenant(old, ({ sql }) => sql('SELECT id FROM users'));
    assert.deepEqual(rows, [{ id: 'usr_x' }]);
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
