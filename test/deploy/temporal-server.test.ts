import assert from 'node:assert/strict';
import { join } from 'node:path';
import { answersOk } from '../../deploy/embedded/http-ready.ts';
import { findTemporal, startTemporal } from '../../deploy/embedded/temporal-server.ts';
import { freeBase, scratchFolder } from './scratch.ts';

describe('the Temporal server', () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  before(async () => {
    scratch = await scratchFolder();
  });
  after(() => scratch.remove());

  it('R1.1 has its namespaces and its web interface when it is ready, and keeps what it knew over a kill', async function () {
    const found = await findTemporal(() => undefined);
    if (!('binary' in found)) return this.skip();
    const base = await freeBase(4);
    const server = {
      binary: found.binary,
      ports: { grpc: base, http: base + 1, metrics: base + 2, ui: base + 3 },
      dbFile: join(scratch.path, 'temporal.db'),
      logFile: join(scratch.path, 'temporal.log'),
    };
    const namespace = (name: string) => answersOk(`http://127.0.0.1:${base + 1}/api/v1/namespaces/${name}`);
    const first = await startTemporal({ ...server, namespaces: ['kept'] });
    assert.equal(first.address, `127.0.0.1:${base}`);
    assert.ok(await namespace('kept'));
    assert.ok(await answersOk(`http://127.0.0.1:${base + 3}/`));
    first.kill('SIGKILL');
    await first.exited;

    const second = await startTemporal({ ...server, namespaces: ['other'] });
    try {
      assert.ok((await namespace('kept')) && (await namespace('other')));
    } finally {
      assert.deepEqual(await second.stop(), { code: 0, signal: null });
    }
  });
});
