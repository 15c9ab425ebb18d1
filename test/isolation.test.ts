import assert from 'node:assert/strict';
import { config, useConfig } from '../models/databases.ts';
import { schemaOf } from '../models/ids.ts';
import { inSystem, inTenant, type Place, readInSystem, readInTenant, sqlState } from '../models/scope.ts';
import { tenantTableNames } from '../models/tenant-schema.ts';
import { attempt, cell, connectAs, filledTenant, fillingOf } from './support/catalogue.ts';
import { ownConfig } from './support/environment.ts';

const denied = '42501';
const noSuchTable = '42P01';

/** Two tenants in one cell behind one login, equal in every row: the worst neighbours there can be. */
describe('the walls between tenants', () => {
  let acme: Place;
  let globex: Place;
  let remote: Place;

  before(async () => {
    useConfig(await ownConfig());
    acme = await filledTenant(0);
    globex = await filledTenant(0);
    remote = await filledTenant(1);
  });

  const roleOf = (place: Place) => schemaOf(place.tenantId);
  const as = (role: Place | undefined, context: Place | undefined, text: string) =>
    attempt(
      0,
      { ...(role && { role: roleOf(role) }), ...(context && { context: context.tenantId }) },
      text.replaceAll('ACME', roleOf(acme)).replaceAll('GLOBEX', roleOf(globex)),
    );
  /** How many rows a statement touched, or why it could not. */
  async function touched(role: Place | undefined, context: Place | undefined, text: string) {
    const answer = await as(role, context, text);
    return typeof answer === 'string' ? answer : answer.rowCount;
  }
  const into = (schema: string, table: string) =>
    fillingOf(table).replace(`INTO ${table}`, `INTO ${schema}.${table}`).replaceAll(/_x'/g, "_y'");

  it('R2.4 have a row in every table to be seen through a hole', async () => {
    for (const table of tenantTableNames)
      assert.equal(await touched(acme, acme, `SELECT FROM ACME.${table}`), 1, table);
  });

  for (const table of tenantTableNames) {
    const statements: Record<string, string> = {
      SELECT: `SELECT FROM SCHEMA.${table}`,
      UPDATE: `UPDATE SCHEMA.${table} SET SOMETHING`,
      DELETE: `DELETE FROM SCHEMA.${table}`,
      INSERT: into('SCHEMA', table),
      LOCK: `SELECT FROM SCHEMA.${table} FOR UPDATE`,
      TRUNCATE: `TRUNCATE SCHEMA.${table}`,
      COPY: `COPY SCHEMA.${table} TO STDOUT`,
    };
    const column = /^INSERT INTO \w+ \((\w+)/.exec(fillingOf(table))?.[1];

    async function text(verb: string, schema: string): Promise<string> {
      const first = column ?? { tenant: 'id', roles: 'name', quotas: 'id' }[table] ?? 'principal_id';
      const of = table === 'role_assignments' ? 'principal_id' : table === 'idempotency_keys' ? 'key' : first;
      return (statements[verb] ?? '').replaceAll('SCHEMA', schema).replace('SOMETHING', `${of} = ${of}`);
    }

    for (const verb of Object.keys(statements)) {
      it(`R2.4 refuse ${verb} of another tenant's ${table}, whatever the context says`, async () => {
        for (const context of [acme, globex, undefined])
          assert.equal(await touched(acme, context, await text(verb, 'GLOBEX')), denied);
        assert.equal(await touched(undefined, globex, await text(verb, 'GLOBEX')), denied, 'the bare login');
      });
    }

    it(`R2.4 show nothing of ${table} to its own role with another's context, with none, or half switched`, async () => {
      const writable = table !== 'audit_events';
      for (const context of [globex, undefined]) {
        assert.equal(await touched(acme, context, await text('SELECT', 'ACME')), 0);
        assert.equal(await touched(acme, context, await text('UPDATE', 'ACME')), writable ? 0 : denied);
        assert.equal(await touched(acme, context, await text('DELETE', 'ACME')), writable ? 0 : denied);
        assert.equal(await touched(acme, context, await text('INSERT', 'ACME')), denied);
      }
      assert.equal(await touched(globex, acme, await text('SELECT', 'GLOBEX')), 0);
    });
  }

  it('R2.4 cannot be passed by changing the role within a statement', async () => {
    for (const text of [
      `SELECT set_config('role', 'GLOBEX', true), (SELECT count(*) FROM GLOBEX.agents)`,
      `WITH switched AS MATERIALIZED (SELECT set_config('role', 'GLOBEX', true)) SELECT * FROM switched, GLOBEX.agents`,
      `SELECT * FROM GLOBEX.agents WHERE set_config('role', 'GLOBEX', true) IS NOT NULL`,
    ])
      assert.equal(await touched(acme, acme, text), denied, text);
    // Nor the context: it was read before the function ran, or the row is not its own.
    const half = await as(
      acme,
      globex,
      `SELECT name FROM ACME.agents WHERE set_config('app.tenant', 'x', true) <> ''`,
    );
    assert.equal(typeof half === 'string' ? half : half.rowCount, 0);
  });

  it('R2.4 cannot be climbed by a role with more rights, nor by one of another login', async () => {
    for (const role of [
      'freehold_owner',
      'freehold_platform',
      'freehold_system',
      'postgres',
      roleOf(remote),
    ]) {
      const answer = await touched(acme, acme, `SET ROLE ${role}`);
      assert.equal(answer, denied, role);
    }
    assert.equal(await touched(acme, acme, 'SET SESSION AUTHORIZATION freehold_owner'), denied);
    assert.equal(await touched(undefined, undefined, `SET ROLE ${roleOf(remote)}`), denied);
  });

  const forbidden: Record<string, string> = {
    'make a temporary table that shadows a real one': 'CREATE TEMP TABLE agents (id text)',
    'make a table': 'CREATE TABLE ACME.shadow (id text)',
    'make a table in public': 'CREATE TABLE public.shadow (id text)',
    'make a view': 'CREATE VIEW ACME.shadow AS SELECT 1',
    'make a function': "CREATE FUNCTION ACME.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    'make an operator': 'CREATE OPERATOR ACME.=== (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)',
    'make a schema': 'CREATE SCHEMA shadow',
    'make a role': 'CREATE ROLE shadow',
    'make an extension': 'CREATE EXTENSION dblink',
    'make a trigger':
      'CREATE TRIGGER t BEFORE INSERT ON ACME.agents FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    'drop its policy': 'DROP POLICY inside ON ACME.agents',
    'switch row-level security off': 'ALTER TABLE ACME.agents DISABLE ROW LEVEL SECURITY',
    'stop forcing it': 'ALTER TABLE ACME.agents NO FORCE ROW LEVEL SECURITY',
    'give itself another role': 'GRANT GLOBEX TO ACME',
    'empty a table past its policy': 'TRUNCATE ACME.agents',
    'change its audit trail': "UPDATE ACME.audit_events SET action = 'x'",
    'shorten its audit trail': 'DELETE FROM ACME.audit_events',
    'number its audit trail anew': "SELECT setval('ACME.audit_events_seq_seq', 1)",
    'see Freehold’s own tables': 'SELECT * FROM platform.tenant_keys',
    'see who else is waiting to be made': 'SELECT * FROM platform.intake',
    'read a file': "SELECT pg_read_file('/etc/hostname')",
    'run a program': "COPY ACME.agents FROM PROGRAM 'id'",
    'write a file': "COPY ACME.agents TO '/tmp/x'",
    'see password hashes': 'SELECT * FROM pg_authid',
    'end another’s connection':
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    'change the server': "SET log_statement = 'all'",
  };
  for (const [what, text] of Object.entries(forbidden)) {
    it(`R2.4 keep a tenant's role from trying to ${what}`, async () => {
      const answer = await touched(acme, acme, text);
      // Looking for sessions to end may find none it can see; that is a refusal as well.
      assert.ok(answer === denied || (answer === 0 && text.includes('terminate')), `${answer}`);
      if (text.includes('platform.')) assert.equal(await touched(undefined, undefined, text), denied);
    });
  }

  it('R2.4 answer an error, not rows, when row-level security is asked to step aside', async () => {
    assert.equal(
      await touched(acme, acme, 'SET LOCAL row_security = off; SELECT * FROM ACME.agents'),
      denied,
    );
  });

  it('R2.4 hide what others run and what their tables hold from statistics', async () => {
    const queries = await as(
      acme,
      acme,
      "SELECT query FROM pg_stat_activity WHERE query NOT IN ('', '<insufficient privilege>')",
    );
    assert.equal(typeof queries === 'string' ? queries : queries.rowCount, 0);
    const statistics = await as(acme, acme, "SELECT FROM pg_stats WHERE schemaname = 'GLOBEX'");
    assert.equal(typeof statistics === 'string' ? statistics : statistics.rowCount, 0);
  });

  it("R2.4 make a reference to another tenant's row fail as one to a row that is nowhere", async () => {
    const other = { ...globex };
    await inTenant(other, ({ sql }) =>
      sql(
        "INSERT INTO users (id, sealed_email, email_key, sealed_name, state) VALUES ('usr_other', '\\x00', 'o', '\\x00', 'active')",
      ),
    );
    const messages = [];
    for (const user of ['usr_other', 'usr_nobody']) {
      const statement = `INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES ('ses_z', '${user}', 'z', now())`;
      const failed = await inTenant(acme, ({ sql }) => sql(statement)).catch((cause: unknown) => cause);
      assert.equal(sqlState(failed), '23503');
      messages.push(String(failed).replaceAll(user, '…'));
    }
    assert.equal(messages[0], messages[1]);
  });

  it('R2.1 leave no tables at all outside inTenant', async () => {
    for (const table of tenantTableNames) {
      assert.equal(await touched(undefined, undefined, `SELECT FROM ${table}`), noSuchTable);
      assert.equal(await touched(undefined, acme, `SELECT FROM ACME.${table}`), denied);
    }
  });

  it('R2.1 stand in readInTenant as well', async () => {
    const from = (schema: string) => ({ text: `SELECT name FROM ${schema}.agents`, values: [] });
    assert.deepEqual(await readInTenant(acme, [from(roleOf(acme))]), [[{ name: 'Alpha' }]]);
    await assert.rejects(readInTenant(acme, [from(roleOf(globex))]), (cause) => sqlState(cause) === denied);
    await assert.rejects(
      readInTenant({ ...acme, login: 1 }, [from(roleOf(acme))]),
      (cause) => sqlState(cause) === denied,
      'a login that is no member of the role',
    );
    for (const tenantId of ['', 'ten_x', "ten_01h455vb4pex5vsknk084sn02q'", `${acme.tenantId}\n`])
      await assert.rejects(readInTenant({ tenantId, cell, login: 0 }, []), /not a tenant id/);
  });
});

describe('the shared tables', () => {
  const one = 'ten_01h455vb4pex5vsknk084sn02q';
  const two = 'ten_01h455vb4pex5vsknk084sn02r';
  const shared = [
    'tenants',
    'slugs',
    'subscriptions',
    'operations',
    'audit_events',
    'workspaces',
    'tenant_quota_requests',
  ];

  before(async () => {
    useConfig(await ownConfig());
    for (const [at, id] of [one, two].entries())
      await inSystem('platform', async ({ sql }) => {
        const slug = `slug-${'ab'[at]}`;
        await sql(
          `INSERT INTO tenants (id, slug, name, region, cell, login, plan, plan_version, state)
           VALUES ($1, $2, 'Same Name', 'eu', 'eu-1', 0, 'team', 1, 'active')`,
          [id, slug],
        );
        await sql('INSERT INTO slugs (slug, skeleton, tenant_id) VALUES ($1, $1, $2)', [slug, id]);
        await sql(
          "INSERT INTO subscriptions (tenant_id, plan, plan_version, state) VALUES ($1, 'team', 1, 'active')",
          [id],
        );
        await sql(
          "INSERT INTO operations (id, tenant_id, kind, state, principal) VALUES ($1, $2, 'k', 'running', '{}')",
          [slug, id],
        );
        await sql(
          "INSERT INTO audit_events (id, actor, action, subject_type, outcome, tenant_id) VALUES ($1, '{}', 'a', 's', 'done', $2)",
          [slug, id],
        );
        await sql(
          `INSERT INTO tenant_quota_requests (id, tenant_id, operation_id, quota_id, amount, state, created_at)
           VALUES ($1, $2, $1, 'plan.runs', 1, 'waiting', now())`,
          [slug, id],
        );
        await sql("INSERT INTO workspaces (email_hash, tenant_id, user_id) VALUES ('h', $1, 'usr_x')", [id]);
      });
  });

  const ids = async (sight: string, table: string) => {
    const column = table === 'tenants' ? 'id' : 'tenant_id';
    const [rows] = await readInSystem(sight, [
      {
        text: `SELECT ${column} AS id FROM ${table} WHERE ${column} IN ('${one}', '${two}') ORDER BY 1`,
        values: [],
      },
    ]);
    return rows?.map((row) => row.id);
  };

  for (const table of shared) {
    it(`R2.4 show of ${table} all to the platform, and to a tenant its own`, async () => {
      assert.deepEqual(await ids('platform', table), [one, two]);
      assert.deepEqual(await ids(one, table), [one]);
      assert.deepEqual(await ids(two, table), [two]);
    });

    it(`R2.4 show of ${table} nothing to a connection that does not say whose it is`, async () => {
      const client = await connectAs('freehold_system', config().systemUrl);
      const { rowCount } = await client.query(`SELECT FROM ${table}`);
      await client.end();
      assert.equal(rowCount, 0);
    });
  }

  it('R2.4 take no row of another tenant from one tenant’s sight, and change none', async () => {
    const writes = [
      `INSERT INTO subscriptions (tenant_id, plan, plan_version, state) VALUES ('${two}', 'free', 1, 'active') ON CONFLICT DO NOTHING`,
      `UPDATE operations SET tenant_id = '${two}'`,
      `INSERT INTO audit_events (id, actor, action, subject_type, outcome, tenant_id) VALUES ('x', '{}', 'a', 's', 'done', '${two}')`,
    ];
    for (const write of writes)
      await assert.rejects(
        inSystem(one, ({ sql }) => sql(write)),
        (cause) => sqlState(cause) === denied,
        write,
      );
    const touched = await inSystem(one, ({ sql }) => sql("UPDATE tenants SET name = 'Mine' RETURNING id"));
    assert.deepEqual(touched, [{ id: one }]);
  });

  it('R1.5 let nobody change or remove an audit event', async () => {
    for (const write of [
      "UPDATE audit_events SET action = 'x'",
      'DELETE FROM audit_events',
      'TRUNCATE audit_events',
    ])
      await assert.rejects(
        inSystem('platform', ({ sql }) => sql(write)),
        (cause) => sqlState(cause) === denied,
      );
  });

  it('R2.4 want a sight that is a tenant id or the platform', async () => {
    for (const sight of ['', 'ten_x', "' OR '1'='1", `${one}\n`])
      await assert.rejects(readInSystem(sight, []), /not a tenant id/);
  });
});
