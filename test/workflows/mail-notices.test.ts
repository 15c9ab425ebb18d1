import assert from 'node:assert/strict';
import { newId } from '../../models/ids.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { tell } from '../../models/tenant/notification.ts';
import { addPerson } from '../../models/tenant/person.ts';
import { temporal } from '../../temporal/client.ts';
import { wakeTold } from '../../temporal/told.ts';
import { noticesId } from '../../workflows/registry.ts';
import { placeFor } from '../support/errands.ts';
import { type Around, combined, everythingTwice, failsForAWhile, recording } from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { madeTenant } from '../support/lifecycle.ts';
import { mailsTo } from '../support/mails.ts';
import { type Stage, setStage } from '../support/stage.ts';

describe('the workflow mail-notices', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
  });
  after(() => stage.leave());

  type One = { place: Place; address: string };

  /** An organisation in which somebody was told something. */
  async function told(): Promise<One> {
    const { tenantId } = await madeTenant(stage.principal);
    const place = await placeFor({ tenantId });
    const id = newId('usr');
    const address = `${id}@example.com`;
    await inTenant(place, async ({ sql }) => {
      await addPerson(sql, { id, email: address, name: 'A Person', state: 'active' });
      const data = { quotaId: 'plan.runs', outcome: 'lapsed', asked: 9, granted: null, until: null };
      const subject = { type: 'QuotaRequest' as const, id: 'qrq_x' };
      await tell(sql, { kind: 'quota.request-ended', subject, data, roles: [], also: id });
    });
    return { place, address };
  }

  async function run({ place }: One, ...faults: Around[]): Promise<string[]> {
    const recorded = { names: [], overlapping: [] };
    stage.faults.set(place.tenantId, combined(recording(recorded, ['deliverDue']), ...faults));
    await stage.work();
    await Promise.all([wakeTold(place.tenantId), wakeTold(place.tenantId)]);
    await temporal().client.workflow.getHandle(noticesId(place.tenantId)).result();
    return recorded.names;
  }

  const messageIds = async ({ address }: One) => (await mailsTo(address)).map(({ messageId }) => messageId);

  it('R5.3 mails what is there, once, and ends when nothing is left', async () => {
    const one = await told();
    await run(one);
    assert.equal((await messageIds(one)).length, 1);
    await replayWorkflow('mail-notices', noticesId(one.place.tenantId), 'succeeded');
  });

  for (const when of ['before', 'after'] as const)
    it(`R5.3 heals when mailing fails for a while ${when} its effect, and mails once`, async () => {
      const one = await told();
      await run(one, failsForAWhile('mailNotices', when));
      assert.equal((await messageIds(one)).length, 1);
      await replayWorkflow('mail-notices', noticesId(one.place.tenantId), `failed-${when}`);
    });

  it('R5.3 mails once though everything is done twice', async () => {
    const one = await told();
    await run(one, everythingTwice);
    assert.equal((await messageIds(one)).length, 1);
  });

  it('R5.3 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored('mail-notices')) > 0);
  });
});
