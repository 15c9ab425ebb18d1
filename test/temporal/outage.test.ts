import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTemporal, type RunningTemporal, startTemporal } from '../../deploy/embedded/temporal-server.ts';
import { config } from '../../models/databases.ts';
import { reach, TemporalUnavailable } from '../../temporal/client.ts';
import { ensureNamespaces } from '../../temporal/namespaces.ts';
import { startOperation, watchOperation } from '../../temporal/start.ts';
import { freePort } from '../support/equipment.ts';
import { askForTenant, assertStands } from '../support/lifecycle.ts';
import { begin, end } from '../support/runs.ts';
import { closed, type Stage, setStage } from '../support/stage.ts';
import { eventually } from '../support/traces.ts';

describe('an outage of Temporal', () => {
  let stage: Stage;
  let start: () => Promise<RunningTemporal>;
  let server: RunningTemporal | undefined;
  let directory: string;

  before(async () => {
    const found = await findTemporal(() => undefined);
    assert.ok('binary' in found);
    const { binary } = found;
    directory = await mkdtemp(join(tmpdir(), 'freehold-outage-'));
    const [grpc, http, metrics] = await Promise.all([freePort(), freePort(), freePort()]);
    const files = { dbFile: join(directory, 'temporal.db'), logFile: join(directory, 'temporal.log') };
    start = () => startTemporal({ binary, ports: { grpc, http, metrics }, ...files });
    stage = await setStage(`127.0.0.1:${grpc}`);
  });
  after(async () => {
    await stage.leave();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('R1.1 is told within seconds to whoever asks for something meanwhile', async () => {
    const operation = await askForTenant(stage.principal);
    const asked = performance.now();
    await Promise.all([
      assert.rejects(startOperation(operation), TemporalUnavailable),
      assert.rejects(watchOperation(operation), TemporalUnavailable),
    ]);
    assert.ok(performance.now() - asked < 6_000);
  });

  it('R1.1 costs those who ask later nothing: their calls are not even made', async () => {
    let made = 0;
    const calls = Array.from({ length: 50 }, () =>
      reach(async () => {
        made += 1;
      }),
    );
    for (const call of calls) await assert.rejects(call, TemporalUnavailable);
    assert.equal(made, 0);
  });

  it('R1.1 is waited for by client and workers, and they go on by themselves', async () => {
    const working = stage.work();
    server = await start();
    await ensureNamespaces(config(), () => {});
    await working;
    const operation = await askForTenant(stage.principal);
    // Nobody's request is needed to find out that it is back.
    const called = () => reach((client) => client.workflowService.getSystemInfo({}));
    await eventually(async () => assert.ok(await called()), 2);
    assert.equal(await startOperation(operation), 'started');
    await closed(operation);
    await assertStands(operation, 'active');
  });

  it('R1.1 in the middle of an operation does not change what comes of it', async () => {
    let killed = false;
    const begun = await begin(stage, await askForTenant(stage.principal), async (name, effect) => {
      if (name === 'applyPlan' && !killed) {
        killed = true;
        server?.kill('SIGKILL');
        await server?.exited;
        server = await start();
      }
      return effect();
    });
    const { stored, operation } = await end(begun);
    assert.equal(stored.state, 'succeeded');
    await assertStands(operation, 'active');
  });
});
