import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cellAdministrator, useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import { closeJournal, goRound, noteUsed, openJournal } from '../../models/usage-journal.ts';
import { makeFolder, penFor } from '../../models/usage-journal-folder.ts';
import { written } from '../../policies/usage-journal.ts';
import { log } from '../../telemetry.ts';
import { ownConfig } from '../support/environment.ts';
import { madeTenant, operator } from '../support/lifecycle.ts';
import { placed } from '../support/people.ts';

describe('a usage journal that somebody was at', () => {
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

  const used = [{ meter: 'api-calls' as const, value: 1 }];

  async function calls(): Promise<number> {
    const [row] = await inTenant(await placed(tenantId), ({ sql }) =>
      sql<{ value: string }>(
        `SELECT coalesce(sum(value), 0) AS value FROM usage_hours
         WHERE series IN (SELECT id FROM usage_series WHERE meter = 'api-calls')`,
      ),
    );
    return Number(row?.value);
  }

  const waiting = async () =>
    (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.ndjson'));

  /** As many as it takes until it looks at what was left. */
  async function rounds(): Promise<void> {
    for (let round = 0; round < 10; round++) await goRound();
  }

  it('R5.1 loses nothing but the file that somebody took away, or that cannot be read yet', async () => {
    openJournal(directory);
    const keys = `${schemaOf(tenantId)}.usage_keys`;
    await cellAdministrator('eu-1').query(`ALTER TABLE ${keys} RENAME TO away`);
    for (let count = 0; count < 3; count++) {
      noteUsed(tenantId, used);
      await goRound();
    }
    const [taken = '', unread = ''] = (await waiting()).map((name) => join(directory, name));
    await rm(taken);
    const kept = `${unread}.kept`;
    await rename(unread, kept);
    await mkdir(unread);
    await cellAdministrator('eu-1').query(`ALTER TABLE ${schemaOf(tenantId)}.away RENAME TO usage_keys`);
    await rounds();
    assert.equal(await calls(), 1);
    await rmdir(unread);
    await rename(kept, unread);
    await rounds();
    assert.equal(await calls(), 2);
    assert.deepEqual(await waiting(), []);
  });

  it('R5.1 takes what one dead process left, though what another left cannot be read', async () => {
    const line = written({ tenantId, at: Date.now(), used });
    const [bad, good] = [makeFolder(directory), makeFolder(directory)];
    for (const folder of [bad, good]) penFor(folder).write(line);
    await mkdir(join(bad.path, '000000000.ndjson'));
    for (const folder of [bad, good]) folder.lock.close();
    openJournal(directory);
    await goRound();
    assert.equal(await calls(), 2);
  });
});
