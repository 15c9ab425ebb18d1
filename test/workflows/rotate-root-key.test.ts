import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { cellPlatform } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { forgetKeys } from '../../models/key-cache.ts';
import { keyringOf } from '../../models/keyring.ts';
import { rootKey, rootKeyNamed } from '../../models/kms/root-key.ts';
import type { Place } from '../../models/scope.ts';
import { contextOf, ensureTenantKey } from '../../models/tenant-key.ts';
import { temporal } from '../../temporal/client.ts';
import { startRootRotation } from '../../temporal/start-root-rotation.ts';
import { rootRotationId } from '../../workflows/registry.ts';
import {
  type Around,
  at,
  combined,
  everythingTwice,
  failsForAWhile,
  failureCount,
  recording,
  refuses,
} from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { type Stage, setStage } from '../support/stage.ts';

const kind = 'rotate-root-key';
const step = 'rewrapKeys';
/** Of everybody: the step is given nothing, neither a tenant nor a region. */
const everybody = '';
const column = 'users.sealed_name';

type Stored = { tenant_id: string; version: number; wrapped: Buffer; root: string | null };
type Kept = { place: Place; sealed: Buffer };

describe('the workflow rotate-root-key', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage(undefined, { FREEHOLD_WRAPPING_KEYS: Buffer.alloc(32, 9).toString('base64') });
  });
  after(() => stage.leave());
  afterEach(() => stage.faults.clear());

  const stored = async ({ cell, tenantId }: Place): Promise<Stored> => {
    const { rows } = await cellPlatform(cell).query<Stored>(
      'SELECT tenant_id, version, wrapped, root FROM platform.tenant_keys WHERE tenant_id = $1',
      [tenantId],
    );
    return rows[0] ?? assert.fail();
  };

  /** A tenant whose key is wrapped as before there was another root key, and something it sealed. */
  async function kept(cell: string): Promise<Kept> {
    const place = { tenantId: newId('ten'), cell, login: 0 };
    await ensureTenantKey(place, `test-${place.tenantId}`);
    const sealed = (await keyringOf(place)).seal(column, 'usr_1', 'Ada Lovelace');
    const row = await stored(place);
    const inner = await rootKeyNamed(row.root).unwrap(row.wrapped, contextOf(row));
    await cellPlatform(cell).query(
      'UPDATE platform.tenant_keys SET wrapped = $2, root = NULL WHERE tenant_id = $1',
      [place.tenantId, await rootKeyNamed(null).wrap(inner, contextOf(row))],
    );
    return { place, sealed };
  }
  const some = () => Promise.all(['eu-1', 'eu-1', 'us-1'].map(kept));

  async function rotated(all: Kept[]): Promise<void> {
    for (const { place, sealed } of all) {
      assert.equal((await stored(place)).root, rootKey().name);
      forgetKeys(place.tenantId);
      assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
    }
  }

  const ask = () => startRootRotation('req_test');
  async function ended(): Promise<string> {
    const handle = temporal().client.workflow.getHandle(rootRotationId);
    await handle.result().catch(() => {});
    return (await handle.describe()).status.name;
  }
  async function run(...faults: Around[]): Promise<{ names: string[]; status: string }> {
    const recorded = { names: [] as string[], overlapping: [] };
    stage.faults.set(everybody, combined(recording(recorded), ...faults));
    await stage.work();
    await ask();
    return { status: await ended(), names: recorded.names };
  }

  it('R2.5 wraps the keys of all cells under the new root key, in one go', async () => {
    const all = await some();
    assert.deepEqual(await run(), { status: 'COMPLETED', names: [step] });
    await rotated(all);
    await replayWorkflow(kind, rootRotationId, 'succeeded');
  });

  for (const when of ['before', 'after'] as const)
    it(`R2.5 heals when wrapping fails for a while ${when} its effect`, async () => {
      const all = await some();
      const { status, names } = await run(failsForAWhile(step, when));
      assert.equal(status, 'COMPLETED');
      assert.equal(names.length, failureCount + 1);
      await rotated(all);
    });

  it('R2.5 does everything twice as if it were once', async () => {
    const all = await some();
    assert.equal((await run(everythingTwice)).status, 'COMPLETED');
    await rotated(all);
  });

  it('R2.5 leaves everything open when wrapping is refused, and goes on when it is asked for again', async () => {
    const all = await some();
    assert.equal((await run(refuses(step, 'before'))).status, 'FAILED');
    for (const { place, sealed } of all)
      assert.equal((await keyringOf(place)).open(column, 'usr_1', sealed), 'Ada Lovelace');
    assert.equal((await run()).status, 'COMPLETED');
    await rotated(all);
  });

  it('R2.5 is one rotation however often it is asked for', async () => {
    const all = await some();
    const { names } = await run(
      at(step, 'before', async () => {
        await Promise.all([ask(), ask(), ask()]);
        await pause(100);
      }),
    );
    assert.deepEqual(names, [step]);
    await rotated(all);
  });

  it('R2.5 is finished by another worker when one is killed', async () => {
    await stage.rest();
    const all = await some();
    await stage.killedAt(new Map([[everybody, step]]), ask);
    const later = await some();
    await stage.work();
    assert.equal(await ended(), 'COMPLETED');
    await rotated([...all, ...later]);
  }).timeout(90_000);

  it('R2.5 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored(kind)) > 0);
  });
});
