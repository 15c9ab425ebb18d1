import assert from 'node:assert/strict';
import type { Row, Statement } from '../../models/batch.ts';
import { useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { inTenant, type Place, readInTenant, sqlState } from '../../models/scope.ts';
import { filledTenant } from '../support/catalogue.ts';
import { ownConfig } from '../support/environment.ts';

/** Asked through readInTenant, which is all that anybody may call. */
describe('several statements in one round trip', () => {
  let place: Place;
  let schema: string;

  before(async () => {
    useConfig(await ownConfig());
    place = await filledTenant(0);
    schema = schemaOf(place.tenantId);
  });

  const run = (...texts: string[]) =>
    readInTenant(
      place,
      texts.map((text) => ({ text, values: [] })),
    );
  const names = async () =>
    (await inTenant(place, ({ sql }) => sql('SELECT name FROM agents'))).map((row) => row.name);

  it('R2.1 answer the rows of each statement in its place', async () => {
    const answers = await run(
      'SELECT 1 AS one',
      `SELECT FROM ${schema}.agents WHERE false`,
      "SELECT 'b' AS two",
      '',
    );
    assert.deepEqual(answers, [[{ one: 1 }], [], [{ two: 'b' }], []]);
    assert.deepEqual(await run(), []);
  });

  it('R2.1 give values the types that Sequelize gives them', async () => {
    const [rows] = await run(
      `SELECT 1::int AS int, 12345678901::bigint AS big, true AS yes, NULL AS none, ARRAY['a','b'] AS list, '{"a":[1]}'::jsonb AS json,
       timestamptz '2026-01-02 03:04:05+00' AS at, 'ä😀'::text AS text, 1.5::float8 AS float`,
    );
    assert.deepEqual(rows, [
      {
        int: 1,
        big: '12345678901',
        yes: true,
        none: null,
        list: ['a', 'b'],
        json: { a: [1] },
        at: new Date('2026-01-02T03:04:05Z'),
        text: 'ä😀',
        float: 1.5,
      },
    ]);
  });

  it('R2.4 take back all of them when one in the middle fails', async () => {
    const rename = `UPDATE ${schema}.agents SET name = 'half done'`;
    for (const failing of ['SELECT 1 / 0', 'SELECT nonsense', `SELECT * FROM platform.tenant_keys`]) {
      await assert.rejects(run(rename, failing, 'SELECT 1'));
      await assert.rejects(run(failing, rename));
      await assert.rejects(run(rename, 'SELECT 1', failing));
    }
    assert.deepEqual(await names(), ['Alpha']);
    await run(rename);
    assert.deepEqual(await names(), ['half done']);
    await run(`UPDATE ${schema}.agents SET name = 'Alpha'`);
  });

  it('R2.4 that fail leave nothing behind for whoever comes next', async () => {
    for (let at = 0; at < 30; at++) {
      await assert.rejects(run('SELECT 1 / 0'), (cause) => sqlState(cause) === '22012');
      const [rows] = await run("SELECT current_user::text AS role, current_setting('app.tenant') AS tenant");
      assert.deepEqual(rows, [{ role: schema, tenant: place.tenantId }]);
    }
  });

  it('R2.4 stay right past two hundred different ones on a connection, also when they come again', async () => {
    const statement = (at: number): Statement => ({ text: `SELECT $1::int + ${at} AS sum`, values: [at] });
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 450; at += 9) {
        const batch = Array.from({ length: 9 }, (_, more) => statement(at + more));
        const answers: Row[][] = await readInTenant(place, batch);
        assert.deepEqual(
          answers.map((rows) => rows[0]?.sum),
          batch.map((_, more) => 2 * (at + more)),
        );
      }
    }
    const many = Array.from({ length: 260 }, (_, at) => statement(1_000 + at));
    const answers = await readInTenant(place, many);
    assert.deepEqual(answers[259], [{ sum: 2 * 1_259 }]);
  });

  it('R2.4 never keep more than about two hundred prepared in the server', async () => {
    const counted = async () => {
      const [rows] = await run('SELECT count(*)::int AS count FROM pg_prepared_statements');
      return Number(rows?.[0]?.count);
    };
    for (let at = 0; at < 400; at++) await run(`SELECT ${at} AS other`);
    for (let at = 0; at < 20; at++) assert.ok((await counted()) <= 205);
  });

  it('R2.4 may name one statement twice', async () => {
    const same = { text: 'SELECT $1::text AS given', values: ['a'] };
    assert.deepEqual(
      await readInTenant(place, [same, { ...same, values: ['b'] }, { ...same, values: [null] }]),
      [[{ given: 'a' }], [{ given: 'b' }], [{ given: null }]],
    );
  });

  it('R2.1 are answered to whoever asked, however many ask at once', async () => {
    const ask = async (at: number) => {
      const [rows] = await readInTenant(place, [{ text: 'SELECT $1::int AS at', values: [at] }]);
      return rows?.[0]?.at;
    };
    const answers = await Promise.all(Array.from({ length: 300 }, (_, at) => ask(at)));
    assert.deepEqual(
      answers,
      Array.from({ length: 300 }, (_, at) => at),
    );
  });

  it('R2.1 are not touched by the failing of others, not even of others that came first with the same statement', async () => {
    for (let round = 0; round < 20; round++) {
      const shared = `SELECT ${round} AS never_prepared_before`;
      const [failed, ...answered] = await Promise.allSettled([
        run('SELECT 1 / 0', shared),
        ...Array.from({ length: 8 }, () => run(shared)),
      ]);
      assert.equal(failed.status, 'rejected');
      for (const each of answered)
        assert.deepEqual(each, { status: 'fulfilled', value: [[{ never_prepared_before: round }]] });
    }
  });
});
