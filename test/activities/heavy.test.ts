import assert from 'node:assert/strict';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { heavily, permitsTakenType } from '../../activities/heavy.ts';
import { cellPlatform } from '../../models/databases.ts';
import {
  permitsHeld,
  permitsInRegion,
  releasePermit,
  renewPermit,
  takePermit,
} from '../../models/heavy-permit.ts';
import { newId } from '../../models/ids.ts';
import { operator } from '../support/client.ts';
import { useSharedModels } from '../support/people.ts';

/** In a region of its own of the first cell, so that no other test holds any of these. */
const region = 'us';
const work = (tenantId: string, holder = newId('op')) => ({ region, tenantId, work: 'testing', holder });

describe('permits for heavy work', () => {
  before(useSharedModels);
  afterEach(() => expire('true'));

  const expire = (which: string) =>
    cellPlatform('us-1').query(
      `UPDATE platform.heavy_permits SET expires_at = now() - interval '1 second' WHERE work = 'testing' AND ${which}`,
    );

  it('R10.2 are a few in a region and one for each tenant, however many ask at once', async () => {
    const asked = Array.from({ length: 40 }, (_, at) => takePermit(work(`ten_${at % 20}`)));
    const taken = (await Promise.all(asked)).filter((permit) => permit !== undefined);
    const held = (await permitsHeld(region)).filter((each) => each.work === 'testing');
    assert.ok(taken.length <= permitsInRegion);
    assert.equal(held.length, taken.length);
    assert.equal(new Set(held.map(({ tenantId }) => tenantId)).size, held.length);
    for (const permit of taken) await releasePermit(permit);
    assert.ok(await takePermit(work('ten_after')));
  });

  it('R10.2 are free again when their holder is dead, who finds out when it is not', async () => {
    const first = await takePermit(work('ten_a'));
    assert.ok(first);
    assert.equal(await takePermit(work('ten_a')), undefined);
    assert.equal(await renewPermit(first), true);
    await expire("tenant_id = 'ten_a'");
    const second = await takePermit(work('ten_a'));
    assert.ok(second);
    assert.ok(BigInt(second.fence) > BigInt(first.fence));
    assert.equal(await renewPermit(first), false);
    await releasePermit(first);
    assert.equal(await renewPermit(second), true);
  });

  it('R10.2 are taken over at once by another attempt of the same operation', async () => {
    const asked = work('ten_b');
    const lost = await takePermit(asked);
    const again = await takePermit(asked);
    assert.ok(lost && again);
    assert.deepEqual([await renewPermit(lost), await renewPermit(again)], [false, true]);
  });

  it('R10.2 end an attempt that gets none without a failure, to come again a little later', async () => {
    assert.ok(await takePermit(work('ten_c')));
    const refused = await heavily(work('ten_c'), () => assert.fail('it has no permit')).catch(
      (error: unknown) => error,
    );
    assert.ok(refused instanceof ApplicationFailure);
    assert.equal(refused.type, permitsTakenType);
    assert.equal(refused.category, ApplicationFailureCategory.BENIGN);
    assert.equal(refused.nonRetryable, false);
    assert.ok(Number(refused.nextRetryDelay) >= 1_000);
  });

  it('R10.2 are given back when the work is done or fails', async () => {
    await heavily(work('ten_d'), async (insist) => insist());
    const failing = async () => {
      throw new Error('no');
    };
    await assert.rejects(heavily(work('ten_d'), failing), /no/);
    assert.ok(await takePermit(work('ten_d')));
  });

  it('R10.2 can be seen by operators, with whose they are', async () => {
    const asked = work('ten_e');
    assert.ok(await takePermit(asked));
    type Held = { items: { tenantId: string; holder: string; region: string }[] };
    const { status, body } = await operator().call<Held>('GET', '/v1/heavy-permits');
    assert.equal(status, 200);
    const mine = body.items.find(({ tenantId }) => tenantId === 'ten_e');
    assert.deepEqual([mine?.holder, mine?.region], [asked.holder, region]);
  });
});
