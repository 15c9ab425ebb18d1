import assert from 'node:assert/strict';
import { openPipeline, type Pipeline } from '../../models/pipeline.ts';
import { handed } from '../support/environment.ts';

const one = { text: 'SELECT 1 AS one', values: [] };
const impossible = { text: 'SELECT 1 / $1::int AS none', values: [0] };
const setting = { text: "SELECT current_setting('app.tenant', true) AS tenant", values: [] };
const become = (tenant: string) => ({ text: "SELECT set_config('app.tenant', $1, true)", values: [tenant] });

describe('reads that share connections', () => {
  let pipeline: Pipeline;
  beforeEach(() => {
    pipeline = openPipeline({ connectionString: handed().postgres.eu, statement_timeout: 2_000 }, 1);
  });
  afterEach(() => pipeline.end());

  it('R2.1 never see the context of the read before them', async () => {
    const asked = Array.from({ length: 200 }, (_, at) =>
      pipeline.run(at % 3 === 0 ? [setting] : [become(`ten_${at}`), setting]),
    );
    for (const [at, results] of (await Promise.all(asked)).entries()) {
      assert.equal(results.at(-1)?.[0]?.tenant || '', at % 3 === 0 ? '' : `ten_${at}`);
    }
  });

  it('R2.1 fail alone: those sent before and behind a failing one are answered', async () => {
    const asked = Array.from({ length: 60 }, (_, at) =>
      pipeline.run(at % 7 === 3 ? [become('ten_x'), impossible, one] : [setting, one]),
    );
    const ended = await Promise.allSettled(asked);
    for (const [at, end] of ended.entries()) {
      if (at % 7 === 3) {
        assert.equal(end.status === 'rejected' && end.reason.code, '22012');
        continue;
      }
      assert.equal(end.status, 'fulfilled');
      assert.deepEqual(end.status === 'fulfilled' && end.value[1], [{ one: 1 }]);
      assert.equal((end.status === 'fulfilled' && end.value[0]?.[0]?.tenant) || '', '');
    }
  });

  it('R2.1 are answered again after their connection was cut, and those under way are refused', async () => {
    await pipeline.run([one]);
    const cut = { text: 'SELECT pg_terminate_backend(pg_backend_pid())', values: [] };
    const ended = await Promise.allSettled([pipeline.run([cut]), pipeline.run([one])]);
    assert.deepEqual(
      ended.map((end) => end.status),
      ['rejected', 'rejected'],
    );
    assert.deepEqual(await pipeline.run([one]), [[{ one: 1 }]]);
  });

  it('R2.1 are refused, not left waiting, where no server answers', async () => {
    const nowhere = openPipeline(
      { connectionString: 'postgres://nobody@127.0.0.1:1/none', statement_timeout: 2_000 },
      1,
    );
    await assert.rejects(nowhere.run([one]), { code: 'ECONNREFUSED' });
    await nowhere.end();
  });

  it('R10.2 of one tenant never take every lane: another’s are answered before those that are slow', async () => {
    const shared = openPipeline({ connectionString: handed().postgres.eu, statement_timeout: 20_000 }, 3);
    try {
      const slow = { text: 'SELECT pg_sleep(0.3)', values: [] };
      const order: string[] = [];
      const asked = Array.from({ length: 20 }, () =>
        shared.run([slow], 'noisy').then(() => order.push('noisy')),
      );
      for (let at = 0; at < 10; at++) {
        await shared.run([one], 'quiet');
        order.push('quiet');
      }
      assert.deepEqual(order.slice(-5), Array(5).fill('quiet'));
      assert.ok(order.filter((whose) => whose === 'noisy').length < 10, order.join());
      await Promise.all(asked);
    } finally {
      await shared.end();
    }
  });
});
