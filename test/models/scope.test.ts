import assert from 'node:assert/strict';
import { tenantSequelize, useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import {
  inSystem,
  inTenant,
  isDuplicate,
  type Place,
  readInSystem,
  readInTenant,
  sqlState,
} from '../../models/scope.ts';
import { tenantTables } from '../../models/tenant/tables.ts';
import { Refusal } from '../../policies/refusal.ts';
import { asked, cell, filledTenant } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';

describe('inTenant and inSystem', () => {
  let places: Place[];
  const first = (): Place => places[0] ?? assert.fail();

  before(async () => {
    useConfig(await ownConfig());
    places = await Promise.all(Array.from({ length: 5 }, () => filledTenant(0)));
    for (const place of places)
      await inTenant(place, ({ sql }) => sql('UPDATE agents SET description = $1', [place.tenantId]));
  });

  it('R2.1 keep 1,000 interleaved calls apart, a seventh of which fail, on a handful of connections', async () => {
    const wrong: string[] = [];
    const call = async (at: number) => {
      const place = places[at % places.length] ?? first();
      const see = (description: unknown) => {
        if (description !== place.tenantId) wrong.push(`${at}: ${description}`);
      };
      const fails = at % 7 === 0;
      try {
        if (at % 2) {
          const statement = {
            text: `SELECT description FROM ${schemaOf(place.tenantId)}.agents`,
            values: [],
          };
          const failing = { text: 'SELECT 1 / 0', values: [] };
          const [rows] = await readInTenant(place, [statement, ...(fails ? [failing] : [])]);
          for (const row of rows ?? []) see(row.description);
          if (rows?.length !== 1) wrong.push(`${at}: ${rows?.length} rows`);
        } else {
          await inTenant(place, async ({ Agent, sql }) => {
            for (const agent of await Agent.findAll()) see(agent.description);
            const rows = await sql<{ description: string }>('SELECT description FROM agents');
            for (const row of rows) see(row.description);
            if (rows.length !== 1) wrong.push(`${at}: ${rows.length} rows`);
            if (fails) throw new Error('thrown on purpose');
          });
        }
        if (fails) wrong.push(`${at}: did not fail`);
      } catch (cause) {
        if (!fails) throw cause;
      }
    };
    let next = 0;
    // Fifty at once: on a busy machine a thousand would wait longer than a caller is made to.
    const caller = async () => {
      while (next < 1_000) await call(next++);
    };
    await Promise.all(Array.from({ length: 50 }, caller));
    assert.deepEqual(wrong, []);
  });

  it('R2.1 leave no role, path or context on a connection that goes back to its pool', async () => {
    const db = tenantSequelize(cell, 0);
    const state = `SELECT pg_backend_pid() AS pid, current_user = session_user AS "self", current_setting('search_path') AS path,
      coalesce(current_setting('app.tenant', true), '') AS tenant`;
    const act = (place: Place, fails: boolean) =>
      inTenant(place, async ({ sql }) => {
        await sql('SELECT pg_sleep(0.01)');
        if (fails) await sql('SELECT 1 / 0');
      }).catch(() => {});
    await Promise.all(Array.from({ length: 24 }, (_, at) => act(places[at % 5] ?? first(), at % 3 === 0)));
    const looked = await Promise.all(Array.from({ length: 24 }, () => db.query(state)));
    const rows = looked.flatMap(([found]) => found);
    assert.ok(new Set(rows.map((row) => (row as { pid: number }).pid)).size > 1);
    for (const row of rows) {
      const { pid: _, ...kept } = row as Record<string, unknown>;
      assert.deepEqual(kept, { self: true, path: 'pg_catalog', tenant: '' });
    }
  });

  it('R2.1 are the only places where tenant tables exist: outside, a model finds no table', async () => {
    const db = tenantSequelize(cell, 0);
    const { Agent } = tenantTables(db);
    await assert.rejects(Agent.findAll(), (cause) => sqlState(cause) === '42P01');
    await assert.rejects(db.query('SELECT * FROM agents'), (cause) => sqlState(cause) === '42P01');
    await inTenant(first(), () => Promise.resolve());
    await assert.rejects(Agent.findAll(), (cause) => sqlState(cause) === '42P01');
  });

  it('R2.1 carry every model call of theirs, however deep, into their own transaction', async () => {
    const seen = await inTenant(first(), async ({ Agent, sql }) => {
      const deep = async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return [
          await Agent.count(),
          await Agent.findOne(),
          await sql('SELECT description FROM agents'),
        ] as const;
      };
      return [await deep(), await deep()];
    });
    for (const [count, agent, rows] of seen) {
      assert.equal(count, 1);
      assert.equal(agent?.description, first().tenantId);
      assert.deepEqual(rows, [{ description: first().tenantId }]);
    }
  });

  it('R2.1 do not nest, in whatever order', async () => {
    const [one, two] = [first(), places[1] ?? first()];
    const nothing = () => Promise.resolve();
    for (const nested of [
      () => inTenant(one, () => inTenant(two, nothing)),
      () => inTenant(one, () => inTenant(one, nothing)),
      () => inTenant(one, () => inSystem('platform', nothing)),
      () => inSystem('platform', () => inTenant(one, nothing)),
      () => inSystem(one.tenantId, () => inSystem('platform', nothing)),
    ])
      await assert.rejects(nested(), /do not nest/);
    await inTenant(two, nothing);
  });

  it('R2.1 take back everything when the act throws', async () => {
    const failing = inTenant(first(), async ({ sql }) => {
      await sql("UPDATE agents SET name = 'half done'");
      throw new Error('thrown on purpose');
    });
    await assert.rejects(failing, /on purpose/);
    const [row] = await inTenant(first(), ({ sql }) => sql('SELECT name FROM agents'));
    assert.equal(row?.name, 'Alpha');
  });

  it('R2.4 bind values, so that no text becomes a statement', async () => {
    const evil = "'; DROP SCHEMA public CASCADE; --";
    const [row] = await inTenant(first(), ({ sql }) => sql('SELECT $1::text AS text', [evil]));
    assert.equal(row?.text, evil);
    const [rows] = await readInTenant(first(), [{ text: 'SELECT $1::text AS text', values: [evil] }]);
    assert.deepEqual(rows, [{ text: evil }]);
    const [, shown] = await readInSystem('platform', [
      { text: 'SELECT 1', values: [] },
      { text: 'SELECT $1::text AS text', values: [evil] },
    ]);
    assert.deepEqual(shown, [{ text: evil }]);
  });

  it('R2.1 say that a database is away with a refusal that tells when to come back', async () => {
    await assert.rejects(
      inTenant(first(), async ({ sql }) => {
        const [row] = await sql<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await asked('SELECT pg_terminate_backend($1)', [row?.pid]);
        await sql('SELECT 1');
      }),
      (cause) => cause instanceof Refusal && cause.code === 'unavailable' && cause.retryAfterSeconds === 5,
    );
    assert.equal((await inTenant(first(), ({ Agent }) => Agent.count())) > 0, true);
  });

  it('R4.4 say so and when to come back when two wait for each other, and do one of the two', async () => {
    const crossing = [1, 2].map((mine) =>
      inTenant(first(), async ({ sql }) => {
        await sql('SELECT pg_advisory_xact_lock($1)', [mine]);
        await new Promise((resolve) => setTimeout(resolve, 300));
        await sql('SELECT pg_advisory_xact_lock($1)', [3 - mine]);
      }),
    );
    const [lost, ...others] = (await Promise.allSettled(crossing)).filter((end) => end.status === 'rejected');
    assert.equal(others.length, 0);
    const reason: unknown = lost?.reason;
    assert.ok(reason instanceof Refusal && reason.code === 'unavailable' && reason.retryAfterSeconds === 1);
    assert.equal(sqlState(reason.cause), '40P01');
  });

  it('R1.2 tell a duplicate from any other error, by its constraint when asked', async () => {
    const duplicate = await inTenant(first(), ({ sql }) =>
      sql("INSERT INTO agents (id, name, name_key, model) VALUES ('agt_2', 'Alpha', 'alpha', 'm')"),
    ).catch((cause: unknown) => cause);
    assert.ok(isDuplicate(duplicate));
    assert.ok(isDuplicate(duplicate, 'agents_name_key_key'));
    assert.ok(!isDuplicate(duplicate, 'agents_pkey'));
    assert.ok(!isDuplicate(new Error('no')));
  });
});
