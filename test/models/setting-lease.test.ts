import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../config.ts';
import { appliedInCell } from '../../models/applied.ts';
import { cellAdministrator, closeDatabases, systemAdministrator, useConfig } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { leaseMs, processId } from '../../models/setting-lease.ts';
import { addVersion } from '../../models/tenant/setting-book.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import { ensureTenantSchema } from '../../models/tenant-schema.ts';
import { handed, ownSettings, type Settings } from '../support/environment.ts';
import { until } from '../support/runs.ts';

const cell = 'eu-1';
const noKeys = () => Promise.reject(new Error('nothing here is sealed'));

describe('settings in the memory of several processes', () => {
  let settings: Settings;
  let place: Place;
  const children: ChildProcess[] = [];

  before(async () => {
    settings = await ownSettings(handed(), 'unused');
    useConfig(loadConfig(settings));
    place = { tenantId: newId('ten'), cell, login: 0 };
    await ensureTenantSchema(place, 'test');
    await inTenant(place, ({ sql }) =>
      sql("INSERT INTO tenant VALUES ($1, 'active', 'team', 1)", [place.tenantId]),
    );
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await closeDatabases();
  });

  let last = 0;
  /** Answers the transaction of the new version, by which one can ask where it is applied. */
  async function change(steps: number): Promise<string> {
    const author = { kind: 'system' as const, id: 'system:bootstrap' as const };
    return inTenant(place, async ({ sql }) => {
      const document = { 'runs.maxSteps': steps };
      last = await addVersion(sql, noKeys, {
        document,
        packs: [],
        author,
        reason: 'a test',
        cause: 'change',
      });
      const [row] = await sql<{ transaction: string }>(
        'SELECT transaction::text FROM setting_versions WHERE number = $1',
        [last],
      );
      return row?.transaction ?? '';
    });
  }

  type Reader = { id: string; child: ChildProcess; steps(): Promise<number> };
  async function reader(): Promise<Reader> {
    const file = fileURLToPath(new URL('../support/setting-reader.ts', import.meta.url));
    const child = fork(file, { env: { ...process.env, ...settings } });
    children.push(child);
    const [told] = (await once(child, 'message')) as [{ processId: string }];
    const steps = async () => {
      child.send(place);
      const [answer] = (await once(child, 'message')) as [{ steps: number }];
      return answer.steps;
    };
    await steps();
    await until(async () => (await processes()).includes(told.processId));
    return { id: told.processId, child, steps };
  }

  const processes = async () => {
    const { rows } = await cellAdministrator(cell).query<{ id: string }>('SELECT id FROM platform.processes');
    return rows.map(({ id }) => id);
  };
  const everywhere = async (transaction: string) =>
    until(async () => (await appliedInCell(cell, transaction)).appliedEverywhere);

  it('R6.5 serve nothing older once a version is said to be applied everywhere', async () => {
    const readers = await Promise.all([reader(), reader()]);
    await settingsOf(place);
    for (let steps = 1; steps <= 40; steps++) {
      const transaction = await change(steps);
      await everywhere(transaction);
      const served = await Promise.all([...readers.map((each) => each.steps()), settingsOf(place)]);
      const [one, two, here] = served;
      assert.deepEqual(
        [one, two, typeof here === 'object' && here.get('runs.maxSteps')],
        [steps, steps, steps],
      );
    }
    for (const { child } of readers) child.kill('SIGKILL');
  }).timeout(60_000);

  it('R6.5 hear of a change within a second, not by the end of a lease', async () => {
    const { child, steps } = await reader();
    const started = performance.now();
    await everywhere(await change(51));
    // Those killed in the test before are waited for until their lease is over, and no longer.
    assert.ok(performance.now() - started < leaseMs + 3_000);
    const again = performance.now();
    await everywhere(await change(52));
    assert.ok(performance.now() - again < 1_000, `${performance.now() - again} ms`);
    assert.equal(await steps(), 52);
    child.kill('SIGKILL');
  }).timeout(30_000);

  it('R6.5 name the process that has not followed yet, and do not trust its memory when it wakes', async () => {
    const { id, child, steps } = await reader();
    await everywhere(await change(60));
    assert.equal(await steps(), 60);
    child.kill('SIGSTOP');
    const transaction = await change(61);
    await until(async () => {
      const { lagging } = await appliedInCell(cell, transaction);
      return lagging.every((each) => each.id === id);
    });
    const { appliedEverywhere, lagging } = await appliedInCell(cell, transaction);
    assert.deepEqual([appliedEverywhere, lagging.map((each) => each.id)], [false, [id]]);
    // Its lease runs out while it sleeps: then nobody has to wait for it, and it serves nothing from before.
    await everywhere(transaction);
    child.kill('SIGCONT');
    assert.equal(await steps(), 61);
    child.kill('SIGKILL');
  }).timeout(30_000);

  it('R6.5 are read anew, every time, by a process that hears nothing any more, until it hears again', async () => {
    const { id, child, steps } = await reader();
    await everywhere(await change(70));
    assert.equal(await steps(), 70);
    const { rows } = await cellAdministrator(cell).query<{ count: number }>(
      `SELECT count(pg_terminate_backend(pid))::int AS count FROM pg_stat_activity
       WHERE application_name = 'freehold-listen' AND datname = current_database()`,
    );
    assert.ok((rows[0]?.count ?? 0) >= 2);
    for (let at = 71; at < 75; at++) {
      await change(at);
      assert.equal(await steps(), at);
    }
    await pause(1_500);
    const transaction = await change(80);
    await everywhere(transaction);
    assert.equal(await steps(), 80);
    assert.ok((await processes()).includes(id));
    assert.ok((await processes()).includes(processId));
    child.kill('SIGKILL');
  }).timeout(30_000);

  it('R6.5 are refused, not served from memory, when the database is away and the lease is over', async () => {
    await settingsOf(place);
    const { rows } = await cellAdministrator(cell).query<{ name: string }>(
      'SELECT current_database() AS name',
    );
    const name = rows[0]?.name ?? '';
    // Another database of the same server: none can close itself.
    const admin = systemAdministrator();
    await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    await pause(100);
    await assert.rejects(settingsOf(place));
    await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS true`);
  }).timeout(30_000);
});
