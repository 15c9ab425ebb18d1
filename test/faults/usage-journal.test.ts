import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { schemaOf } from '../../models/ids.ts';
import { type Deployment, databasesOf, deployBeside } from '../support/deployment.ts';
import type { Running } from '../support/installation.ts';
import { type Member, member } from '../support/tenants.ts';

describe('API processes that are killed while they answer', () => {
  let freehold: Deployment;
  let acme: Member;
  let apis: Running[];
  let database: pg.Client;

  before(async () => {
    freehold = await deployBeside();
    apis = [await freehold.api()];
    const worker = await freehold.worker();
    acme = await member({}, freehold);
    // So that nothing but requests is counted, and the API alone counts them.
    await worker.stop();
    database = new pg.Client({ connectionString: databasesOf(freehold.settings).eu });
    await database.connect();
  });
  after(async () => {
    await database.end();
    await freehold.stop();
  });

  async function counted(): Promise<number> {
    const schema = schemaOf(acme.tenant.id);
    const { rows } = await database.query(
      `SELECT coalesce(sum(value), 0)::int AS calls FROM ${schema}.usage_hours JOIN ${schema}.usage_series s ON s.id = series
       WHERE s.meter = 'api-calls'`,
    );
    return rows[0].calls;
  }

  /** Waits until there is no more of it on any disk, which is when all of it is counted. */
  async function settled(atLeast: number): Promise<number> {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(200))
      if ((await counted()) >= atLeast) break;
    // Long enough for what was not answered, and for a second counting, to show.
    await pause(3_000);
    return counted();
  }

  it('R5.1 forgets no request that was answered, and counts none twice, however often it is killed', async () => {
    const before = await settled(0);
    let answered = 0;
    for (let round = 0; round < 4; round++) {
      const [api] = apis;
      const asking = Array.from({ length: 6 }, async () => {
        // Killed in the middle: what was not answered may have been counted or not.
        for (;;) {
          const reply = await acme.call('GET', '/v1/me').catch(() => undefined);
          if (!reply) return;
          answered += 1;
        }
      });
      await pause(700);
      await api?.stop('SIGKILL');
      await Promise.all(asking);
      apis = [await freehold.api()];
    }
    const after = (await settled(before + answered)) - before;
    const unanswered = after - answered;
    assert.ok(unanswered >= 0 && unanswered <= 4 * 6, `${answered} answered, ${after} counted`);
  });

  it('R5.1 counts what it refuses to somebody it knows, and nothing of strangers', async () => {
    const before = await settled(0);
    const refusals = [
      await acme.call('GET', '/v1/agents/agt_00000000000000000000000000'),
      await acme.call('POST', '/v1/agents', { nonsense: true }),
      await acme.call('GET', '/v1/tenants'),
    ];
    assert.deepEqual(
      refusals.map(({ status }) => status),
      [404, 400, 403],
    );
    const stranger = await fetch(`${freehold.url}/v1/me`);
    assert.equal(stranger.status, 401);
    assert.equal((await settled(before + 3)) - before, 3);
  });

  it('R5.1 hands on what it has when it is asked to stop', async () => {
    const before = await settled(0);
    const [api] = apis;
    for (let count = 0; count < 5; count++) await acme.call('GET', '/v1/me');
    await api?.stop('SIGTERM');
    assert.equal((await counted()) - before, 5);
    assert.equal(api?.process.exitCode, 0, api?.log());
  });
});
