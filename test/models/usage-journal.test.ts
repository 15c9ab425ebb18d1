import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cellAdministrator, useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { inTenant, readInTenant } from '../../models/scope.ts';
import { closeJournal, goRound, noteUsed, openJournal } from '../../models/usage-journal.ts';
import { makeFolder, penFor } from '../../models/usage-journal-folder.ts';
import { written } from '../../policies/usage-journal.ts';
import { journalDropped, log } from '../../telemetry.ts';
import { ownConfig } from '../support/environment.ts';
import { madeTenant, operator } from '../support/lifecycle.ts';
import { placed } from '../support/people.ts';

describe('the usage journal', () => {
  let directory: string;
  let tenantId: string;

  before(async () => {
    useConfig(await ownConfig());
    log.level = 'fatal';
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'freehold-journal-'));
    ({ tenantId } = await madeTenant(await operator()));
  });
  afterEach(async () => {
    await closeJournal();
    await rm(directory, { recursive: true, force: true });
  });

  const call = () => noteUsed(tenantId, [{ meter: 'api-calls', value: 1, kind: 'read' }]);

  async function total(meter: string, of = tenantId): Promise<number> {
    const [row] = await inTenant(await placed(of), ({ sql }) =>
      sql<{ value: string }>(
        `SELECT coalesce(sum(value), 0) AS value FROM usage_hours
         WHERE series IN (SELECT id FROM usage_series WHERE meter = $1)`,
        [meter],
      ),
    );
    return Number(row?.value);
  }

  /** What waits on disk, of all processes. */
  const waiting = async () =>
    (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.ndjson'));

  it('R5.1 takes what was written into the meter of its tenant, and leaves no file behind', async () => {
    openJournal(directory);
    for (let count = 0; count < 7; count++) call();
    assert.equal((await waiting()).length, 1);
    await goRound();
    assert.equal(await total('api-calls'), 7);
    assert.deepEqual(await waiting(), []);
  });

  it('R5.1 keeps its files to the user it runs as', async () => {
    openJournal(directory);
    call();
    const [file = ''] = await waiting();
    assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600);
    const [folder = ''] = await readdir(directory);
    assert.equal((await stat(join(directory, folder))).mode & 0o777, 0o700);
  });

  it('R5.1 keeps a file whose tenant cannot take it, gives it to the others at once, and to that one later', async () => {
    const other = await madeTenant(await operator());
    openJournal(directory);
    const keys = `${schemaOf(tenantId)}.usage_keys`;
    await cellAdministrator('eu-1').query(`ALTER TABLE ${keys} RENAME TO away`);
    call();
    noteUsed(other.tenantId, [{ meter: 'api-calls', value: 1, kind: 'read' }]);
    await goRound();
    assert.equal(await total('api-calls', other.tenantId), 1);
    assert.equal((await waiting()).length, 1);
    await cellAdministrator('eu-1').query(`ALTER TABLE ${schemaOf(tenantId)}.away RENAME TO usage_keys`);
    await rounds();
    assert.deepEqual([await total('api-calls'), await total('api-calls', other.tenantId)], [1, 1]);
    assert.deepEqual(await waiting(), []);
  });

  /** As many as it takes until it looks at what was left. */
  async function rounds(): Promise<void> {
    for (let round = 0; round < 10; round++) await goRound();
  }

  it('R5.1 takes a file once, though it is offered again', async () => {
    openJournal(directory);
    call();
    const copy = `${directory}-copy`;
    await cp(directory, copy, { recursive: true, filter: (path) => !path.endsWith('lock') });
    await rounds();
    const [folder = ''] = await readdir(copy);
    await cp(join(copy, folder), join(directory, folder), { recursive: true });
    await closeJournal();
    openJournal(directory);
    await goRound();
    await rm(copy, { recursive: true });
    assert.equal(await total('api-calls'), 1);
    assert.deepEqual(await waiting(), []);
  });

  it('R5.1 takes over what a dead process left, and nothing of one that lives', async () => {
    const line = written({ tenantId, at: Date.now(), used: [{ meter: 'api-calls', value: 1 }] });
    const [dead, alive] = [makeFolder(directory), makeFolder(directory)];
    for (const folder of [dead, alive]) penFor(folder).write(line);
    // What the kernel does for a process that is killed.
    dead.lock.close();
    openJournal(directory);
    await goRound();
    assert.equal(await total('api-calls'), 1);
    const left = (await readdir(directory)).sort();
    assert.equal(left.includes(dead.id), false);
    assert.equal(left.includes(alive.id), true);
    alive.lock.close();
  });

  it('R5.1 throws away what a tenant used that is gone', async () => {
    openJournal(directory);
    noteUsed('ten_7zzzzzzzzzzzzzzzzzzzzzzzzz', [{ meter: 'api-calls', value: 1 }]);
    await goRound();
    assert.deepEqual(await waiting(), []);
  });

  it('R5.1 takes no more of the disk than it may, and says what is missing', async () => {
    const dropped = async () => (await journalDropped.get()).values[0]?.value ?? 0;
    const before = await dropped();
    openJournal(directory, 300);
    for (let count = 0; count < 10; count++) call();
    const missing = (await dropped()) - before;
    assert.ok(missing > 0 && missing < 10, `${missing} of 10`);
    await goRound();
    call();
    await goRound();
    assert.equal(await total('api-calls'), 11 - missing);
  });

  it('R5.1 adds the time that database connections were busy for a tenant to what it does next', async () => {
    openJournal(directory);
    const place = await placed(tenantId);
    await inTenant(place, ({ sql }) => sql('SELECT pg_sleep(0.3)'));
    await readInTenant(place, [{ text: 'SELECT pg_sleep(0.3)', values: [] }]);
    call();
    await goRound();
    const seconds = await total('compute.database-seconds');
    assert.ok(seconds >= 0.6, `${seconds} s`);
  });

  it('R5.1 counts the time of a connection once, though reads share it', async () => {
    openJournal(directory);
    const place = await placed(tenantId);
    const read = () => readInTenant(place, [{ text: 'SELECT pg_sleep(0.05)', values: [] }]);
    const started = performance.now();
    await Promise.all(Array.from({ length: 24 }, read));
    const seconds = (performance.now() - started) / 1_000;
    call();
    await goRound();
    const counted = await total('compute.database-seconds');
    // Never more than all its connections together were there for.
    assert.ok(counted >= 24 * 0.05 && counted <= seconds * 6 + 0.05, `${counted} of ${seconds} s`);
  });

  it('R5.1 makes no use by writing use down', async () => {
    openJournal(directory);
    call();
    await goRound();
    await rounds();
    assert.equal(await total('compute.database-seconds'), 0);
    assert.deepEqual(await waiting(), []);
  });
});
