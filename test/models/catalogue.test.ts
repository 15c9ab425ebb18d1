import assert from 'node:assert/strict';
import { config, loginName, rolesPerLogin, systemAdministrator, useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { inSystem, type Place } from '../../models/scope.ts';
import { reservePlace } from '../../models/system/tenant.ts';
import { tenantTableNames } from '../../models/tenant-schema.ts';
import { Refusal } from '../../policies/refusal.ts';
import { asked, attempt, filledTenant, schemas } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';
import { withPartitions } from '../support/usage.ts';

/** Row-level security, grants and roles as Postgres itself tells of them. */
describe('the catalogue of a cell', () => {
  let places: Place[];
  let names: string[];
  const logins = [0, 1, 2, 3].map((number) => loginName('eu-1', number));

  before(async () => {
    useConfig(await ownConfig());
    places = [await filledTenant(0), await filledTenant(0), await filledTenant(1)];
    names = schemas(...places);
    if (places[0]) await withPartitions(places[0]);
  });

  it('R2.4 has every tenant table in every tenant schema, with row-level security on and forced', async () => {
    const rows = await asked<{
      schema: string;
      name: string;
      partition: boolean;
      rls: boolean;
      forced: boolean;
      owner: string;
    }>(
      `SELECT n.nspname AS schema, c.relname AS name, c.relispartition AS partition, c.relrowsecurity AS rls,
         c.relforcerowsecurity AS forced, c.relowner::regrole::text AS owner
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname ~ '^t_' AND c.relkind IN ('r', 'p')`,
    );
    for (const schema of names)
      assert.deepEqual(
        rows
          .filter((row) => row.schema === schema && !row.partition)
          .map((row) => row.name)
          .sort(),
        tenantTableNames.toSorted(),
      );
    assert.deepEqual(
      rows.filter((row) => !row.rls || !row.forced || row.owner !== 'freehold_owner'),
      [],
    );
  });

  it('R2.4 has one policy on each: for every command and role, against the constant id of that schema', async () => {
    const rows = await asked<Record<string, string | boolean | null>>(
      `SELECT schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
       WHERE schemaname = ANY ($1)`,
      [names],
    );
    assert.equal(rows.length, names.length * tenantTableNames.length);
    for (const row of rows) {
      const tenantId = String(row.schemaname).replace('t_', 'ten_');
      assert.equal(row.policyname, 'inside');
      assert.equal(row.cmd, 'ALL');
      assert.equal(row.roles, '{public}');
      assert.equal(row.with_check, null, 'what may be written is what may be seen');
      assert.equal(
        String(row.qual).replaceAll(/\s+/g, ' '),
        `( SELECT (current_setting('app.tenant'::text, true) = '${tenantId}'::text))`,
      );
    }
  });

  it('R2.4 reaches a partition through its table or not at all', async () => {
    const loginOf = (schema: string) =>
      places.find(({ tenantId }) => schemaOf(tenantId) === schema)?.login ?? 0;
    const partitions = await asked<{ schema: string; name: string }>(
      `SELECT relnamespace::regnamespace::text AS schema, relname AS name FROM pg_class
       WHERE relispartition AND relkind = 'r' AND relnamespace::regnamespace::text = ANY ($1)`,
      [names],
    );
    assert.ok(partitions.length > names.length + 1);
    for (const { schema, name } of partitions) {
      const as = { role: schema, context: schema.replace('t_', 'ten_') };
      for (const text of [
        `SELECT 1 FROM ${schema}.${name}`,
        `DELETE FROM ${schema}.${name}`,
        `DROP TABLE ${schema}.${name}`,
      ])
        assert.equal(await attempt(loginOf(schema), as, text), '42501', text);
    }
  });

  it('R2.4 holds no views, functions, foreign tables or other ways round', async () => {
    const kinds = await asked(
      `SELECT DISTINCT c.relkind::text AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname ~ '^(t_|platform$|public$)' ORDER BY 1`,
    );
    assert.deepEqual(
      kinds.map((row) => row.kind),
      ['I', 'S', 'i', 'p', 'r'],
    );
    const functions = await asked(
      `SELECT p.oid::regprocedure::text AS name, prosecdef FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')`,
    );
    assert.deepEqual(functions, []);
    assert.deepEqual(await asked('SELECT extname FROM pg_extension'), [{ extname: 'plpgsql' }]);
    assert.deepEqual(await asked('SELECT 1 FROM pg_default_acl'), []);
  });

  it('R2.4 grants a tenant’s role its own tables, the trail for adding only, and nobody anything else', async () => {
    const rows = await asked<{ schema: string; name: string; grantee: string; rights: string }>(
      `SELECT n.nspname AS schema, c.relname AS name,
         CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee,
         string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ' ' ORDER BY a.privilege_type) AS rights
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
       WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'S') AND a.grantee <> 'freehold_owner'::regrole
       GROUP BY 1, 2, 3`,
      [names],
    );
    const meant = names.flatMap((schema) =>
      tenantTableNames.map((name) => ({
        schema,
        name,
        grantee: schema,
        rights: name === 'audit_events' ? 'INSERT SELECT' : 'DELETE INSERT SELECT UPDATE',
      })),
    );
    const inOrder = (all: typeof meant) => all.map((each) => JSON.stringify(each)).sort();
    assert.deepEqual(inOrder(rows), inOrder(meant));
    const onSchemas = await asked<Record<string, string>>(
      `SELECT nspname AS schema, a.grantee::regrole::text AS grantee, a.privilege_type AS right
       FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = ANY ($1) AND a.grantee <> 'freehold_owner'::regrole`,
      [names],
    );
    const usage = (name: string) => ({ schema: name, grantee: name, right: 'USAGE' });
    assert.deepEqual(
      onSchemas.sort((a, b) => (`${a.schema}` < `${b.schema}` ? -1 : 1)),
      names.toSorted().map(usage),
    );
    assert.deepEqual(
      await asked('SELECT 1 FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid > 16384'),
      [],
    );
  });

  it('R2.4 has logins that inherit nothing, own nothing and are above nothing', async () => {
    const rows = await asked<Record<string, unknown>>(
      `SELECT rolname AS name, rolcanlogin AS login, rolinherit OR rolsuper OR rolbypassrls OR rolcreaterole
         OR rolcreatedb OR rolreplication AS more, rolconfig::text AS config,
         (SELECT count(*)::int FROM pg_shdepend WHERE refobjid = r.oid AND deptype = 'o') AS owned
       FROM pg_roles r WHERE rolname = ANY ($1)`,
      [[...logins, 'freehold_platform', 'freehold_system']],
    );
    assert.equal(rows.length, logins.length + 2);
    for (const row of rows) {
      assert.deepEqual([row.login, row.more, row.owned], [true, false, 0], String(row.name));
      const path =
        { freehold_platform: 'platform', freehold_system: 'public' }[String(row.name)] ?? 'pg_catalog';
      assert.match(String(row.config), new RegExp(`search_path=${path}[,}]`));
      assert.match(String(row.config), /statement_timeout=20s/);
    }
  });

  it('R2.4 has tenant roles that cannot log in, with one login as member, which may become them and no more', async () => {
    const rows = await asked<Record<string, unknown>>(
      `SELECT r.rolname AS name, rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS more,
         (SELECT json_agg(json_build_array(m.member::regrole::text, inherit_option, set_option, admin_option))
          FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member WHERE m.roleid = r.oid AND NOT u.rolsuper) AS members,
         (SELECT count(*)::int FROM pg_auth_members m WHERE m.member = r.oid) AS "memberOf"
       FROM pg_roles r WHERE r.rolname = ANY ($1)`,
      [names],
    );
    assert.equal(rows.length, names.length);
    for (const place of places) {
      const row = rows.find((each) => each.name === schemaOf(place.tenantId));
      assert.deepEqual(row, {
        name: schemaOf(place.tenantId),
        more: false,
        members: [[loginName('eu-1', place.login), false, true, false]],
        memberOf: 0,
      });
    }
  });

  it('R2.4 keeps the owner of everything from everyone', async () => {
    const [owner] = await asked<Record<string, unknown>>(
      `SELECT rolcanlogin OR rolsuper OR rolbypassrls AS more,
         (SELECT count(*)::int FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member
          WHERE m.roleid = r.oid AND NOT u.rolsuper) AS members
       FROM pg_roles r WHERE rolname = 'freehold_owner'`,
    );
    assert.deepEqual(owner, { more: false, members: 0 });
  });

  it('R2.4 lets nobody connect who has no business here, make temporary tables, or use public', async () => {
    const [database] = await asked<{ name: string; cells: string[] }>('SELECT current_database() AS name');
    const system = new URL(config().systemUrl).pathname.slice(1);
    const may = async (role: string, where: string, right: string) =>
      (
        await asked<{ may: boolean }>('SELECT has_database_privilege($1, $2, $3) AS may', [
          role,
          where,
          right,
        ])
      )[0]?.may;
    for (const role of [...logins, 'freehold_platform', ...names]) {
      const here = database?.name ?? '';
      assert.equal(await may(role, here, 'CONNECT'), !names.includes(role), role);
      for (const right of ['TEMP', 'CREATE'])
        assert.equal(await may(role, here, right), false, `${role} ${right}`);
      assert.equal(await may(role, system, 'CONNECT'), false, `${role} in the system database`);
      for (const right of ['CREATE', 'USAGE']) {
        const [row] = await asked('SELECT has_schema_privilege($1, $2, $3) AS may', [role, 'public', right]);
        assert.equal(row?.may, false, `${role} ${right} on public`);
      }
      const [row] = await asked("SELECT has_schema_privilege($1, 'platform', 'USAGE') AS may", [role]);
      assert.equal(row?.may, role === 'freehold_platform', `${role} on platform`);
    }
    assert.equal(await may('freehold_system', database?.name ?? '', 'CONNECT'), false);
  });

  it('R2.4 makes no login a member of more than 500 tenants', async () => {
    const rows = await asked<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member
       WHERE u.rolname ~ '^fh_' GROUP BY m.member`,
    );
    assert.ok(rows.every(({ count }) => count <= rolesPerLogin));
    await inSystem('platform', async (system) => {
      await system.sql("UPDATE cells SET tenants = 1997 WHERE name = 'eu-1'");
      await system.sql(
        "UPDATE logins SET tenants = (ARRAY[500, 498, 500, 499])[number + 1] WHERE cell = 'eu-1'",
      );
      const taken = [];
      for (let at = 0; at < 3; at++) taken.push((await reservePlace(system, 'eu')).login);
      assert.deepEqual(taken.sort(), [1, 1, 3]);
      await assert.rejects(
        reservePlace(system, 'eu'),
        (cause) => cause instanceof Refusal && cause.code === 'unprocessable',
      );
      await system.sql("UPDATE cells SET tenants = 0 WHERE name = 'eu-1'");
      await system.sql("UPDATE logins SET tenants = 0 WHERE cell = 'eu-1'");
    });
  });
});

describe('the catalogue of the system database', () => {
  before(async () => useConfig(await ownConfig()));

  const system = async (text: string) =>
    (await systemAdministrator().query<Record<string, unknown>>(text)).rows;
  /** Tables about no tenant: everybody's, the platform's own stored answers and settings, and its processes. */
  const aboutNoTenant = [
    'cells',
    'freehold_migrations',
    'idempotency_keys',
    'logins',
    'plans',
    'platform_setting_versions',
    'processes',
  ];

  it('R2.4 has forced row-level security on every table but those about no tenant', async () => {
    const rows = await system(
      `SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS walled,
         EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id') AS of_tenants
       FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    assert.deepEqual(
      rows.filter((row) => !row.walled).map((row) => row.name),
      aboutNoTenant,
    );
    assert.ok(rows.every((row) => row.walled || !row.of_tenants));
  });

  it('R2.4 has one policy on each of those: the platform, or the tenant whose context it is', async () => {
    const rows = await system(
      "SELECT tablename, cmd, roles::text, qual, with_check FROM pg_policies WHERE schemaname = 'public'",
    );
    assert.equal(rows.length, 9);
    for (const row of rows) {
      const column = row.tablename === 'tenants' ? 'id' : 'tenant_id';
      assert.deepEqual([row.cmd, row.roles, row.with_check], ['ALL', '{public}', null]);
      assert.match(
        String(row.qual).replaceAll(/\s+/g, ' '),
        new RegExp(
          `^\\(\\(.*'app.scope'.* = 'platform'::text\\) OR \\(${column} = .*NULLIF\\(current_setting\\('app.tenant'.*''::text\\)`,
        ),
      );
    }
  });

  it('R1.5 grants its one login the audit trail for adding and reading only, and the ledger of migrations not at all', async () => {
    const rows = await system(
      `SELECT c.relname AS name, string_agg(a.privilege_type, ' ' ORDER BY a.privilege_type) AS rights
       FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
         AND a.grantee = 'freehold_system'::regrole GROUP BY 1`,
    );
    const rights = Object.fromEntries(rows.map((row) => [row.name, row.rights]));
    assert.equal(rights.audit_events, 'INSERT SELECT');
    assert.equal(rights.freehold_migrations, undefined);
    for (const [name, right] of Object.entries(rights))
      assert.ok(name === 'audit_events' || right === 'DELETE INSERT SELECT UPDATE', `${name}: ${right}`);
    const [others] = await system(
      `SELECT count(*)::int AS count FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'public'::regnamespace
         AND c.relkind IN ('r', 'S', 'v') AND a.grantee NOT IN ('freehold_system'::regrole, c.relowner)`,
    );
    assert.equal(others?.count, 0);
  });
});
