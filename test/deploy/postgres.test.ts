import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { ensureDatabase, startPostgres } from '../../deploy/embedded/postgres.ts';
import { freeBase, scratchFolder } from './scratch.ts';

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  // The server is killed under it in one of the tests.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

describe('embedded Postgres', () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let cluster: Parameters<typeof startPostgres>[0];
  before(async () => {
    scratch = await scratchFolder();
    cluster = { name: 'test', directory: join(scratch.path, 'cluster'), port: await freeBase(1) };
  });
  after(() => scratch.remove());

  it('R1.1 is made at the first start and found again, on the same port, after a stop and after a kill', async () => {
    const first = await startPostgres(cluster);
    await ensureDatabase(first, 'kept');
    await ensureDatabase(first, 'kept');
    await ask(first.urlOf('kept'), 'CREATE TABLE kept AS SELECT 42 AS value');
    assert.deepEqual(await first.stop(), { code: 0, signal: null });

    const second = await startPostgres(cluster);
    assert.equal(await ask(second.urlOf('kept'), 'SELECT value FROM kept'), 42);
    second.kill('SIGKILL');
    assert.equal((await second.exited).signal, 'SIGKILL');

    const third = await startPostgres(cluster);
    try {
      assert.equal(await ask(third.urlOf('kept'), 'SELECT value FROM kept'), 42);
    } finally {
      await third.stop();
    }
  });

  it('R1.1 listens on loopback only, wants its password, and has the settings that tests and benches rely on', async () => {
    const postgres = await startPostgres({ ...cluster, settings: { work_mem: '7MB' } });
    try {
      const setting = (name: string) => ask(postgres.url, `SHOW ${name}`);
      assert.equal(await setting('listen_addresses'), '127.0.0.1');
      assert.equal(await setting('unix_socket_directories'), '');
      assert.equal(await setting('max_locks_per_transaction'), '256');
      assert.equal(await setting('work_mem'), '7MB');
      const wrong = new URL(postgres.url);
      wrong.password = 'wrong';
      await assert.rejects(ask(wrong.href, 'SELECT 1'), /password authentication failed/);
      const { mode } = await stat(join(cluster.directory, 'password'));
      assert.equal(mode & 0o777, 0o600);
    } finally {
      await postgres.stop();
    }
  });

  it('R1.1 says in one sentence that its port is taken', async () => {
    const postgres = await startPostgres(cluster);
    try {
      const beside = { ...cluster, directory: join(scratch.path, 'beside') };
      await assert.rejects(
        startPostgres(beside),
        /Postgres test ended with exit code 1.*Address already in use/s,
      );
    } finally {
      await postgres.stop();
    }
  });
});
