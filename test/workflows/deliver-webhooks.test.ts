import assert from 'node:assert/strict';
import { Webhook } from 'standardwebhooks';
import { closeDatabases } from '../../models/databases.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { queueWebhook } from '../../models/tenant/webhook.ts';
import { webhookDelaySeconds } from '../../policies/webhook.ts';
import { closeTemporal, temporal } from '../../temporal/client.ts';
import { wakeWebhooks } from '../../temporal/webhooks.ts';
import { deliveriesId } from '../../workflows/registry.ts';
import { placed, useSharedModels } from '../support/people.ts';
import { type Member, twoTenants } from '../support/tenants.ts';
import { eventually } from '../support/traces.ts';
import { type Hooks, hookServer, receiverIn, secretOf } from '../support/webhooks.ts';

type Delivery = { id: string; state: string; attempts: number; replays: number; outcome: string | null };

describe('the workflow deliver-webhooks', () => {
  let acme: Member;
  let globex: Member;
  let place: Place & { region: string };
  let hooks: Hooks;
  before(async () => {
    useSharedModels();
    [acme, globex] = await twoTenants();
    place = await placed(acme.tenant.id);
    hooks = await hookServer();
  });
  after(async () => {
    hooks.stop();
    // The next file in this process may have an installation of its own.
    await Promise.all([closeTemporal(), closeDatabases()]);
  });

  const receiver = async (as = acme, ...statuses: number[]) =>
    receiverIn(await placed(as.tenant.id), hooks, statuses.length > 0 ? { statuses } : {});

  const told = async (runId: string) => {
    await inTenant(place, ({ sql }) => queueWebhook(sql, 'run.finished', { runId, state: 'succeeded' }));
    await wakeWebhooks(place);
  };
  const to = ({ path }: { path: string }) => hooks.received.filter((each) => each.path === path);
  const deliveries = async ({ id }: { id: string }) =>
    (await acme.call<{ items: Delivery[] }>('GET', `/v1/integrations/${id}/deliveries`)).body.items;
  const settled = (one: { id: string }, state: string) =>
    eventually(async () =>
      assert.deepEqual(
        (await deliveries(one)).map((each) => each.state),
        [state],
      ),
    );
  /** As if the time until the next attempt had passed. */
  const later = async () => {
    await inTenant(place, ({ sql }) =>
      sql("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'"),
    );
    await wakeWebhooks(place);
  };
  const remove = ({ id }: { id: string }) => acme.call('DELETE', `/v1/integrations/${id}`);

  it('R6.4 delivers once, signed by the standard, to whoever listens, and to no other organisation', async () => {
    const mine = await receiver();
    const theirs = await receiver(globex);
    await told('run_one');
    await settled(mine, 'delivered');
    const [event = assert.fail(), ...more] = to(mine);
    assert.equal(more.length, 0);
    assert.equal(to(theirs).length, 0);
    const verified = new Webhook(secretOf(1)).verify(event.body, event.headers as Record<string, string>);
    assert.deepEqual((verified as { data: object }).data, { runId: 'run_one', state: 'succeeded' });
    assert.equal(event.headers['webhook-id'], (await deliveries(mine))[0]?.id);
    await eventually(async () => {
      const { status } = await temporal().client.workflow.getHandle(deliveriesId(place.tenantId)).describe();
      assert.equal(status.name, 'COMPLETED');
    });
    await remove(mine);
  });

  it('R6.4 says nothing of an act that was taken back', async () => {
    const mine = await receiver();
    const undone = inTenant(place, async ({ sql }) => {
      await queueWebhook(sql, 'run.finished', { runId: 'run_never' });
      throw new Error('taken back');
    });
    await assert.rejects(undone, /taken back/);
    assert.deepEqual(await deliveries(mine), []);
    await remove(mine);
  });

  it('R6.4 tries again what was not taken, later each time, under the same id', async () => {
    const mine = await receiver(acme, 500, 404, 200);
    await told('run_two');
    await eventually(async () => assert.equal((await deliveries(mine))[0]?.attempts, 1));
    const [{ due_at: due } = assert.fail()] = await inTenant(place, ({ sql }) =>
      sql<{ due_at: Date }>('SELECT due_at FROM webhook_deliveries WHERE integration_id = $1', [mine.id]),
    );
    const seconds = (due.getTime() - Date.now()) / 1000;
    assert.ok(seconds > 0 && seconds <= (webhookDelaySeconds[0] ?? 0), String(seconds));
    await later();
    await eventually(async () => assert.equal((await deliveries(mine))[0]?.attempts, 2));
    assert.equal((await deliveries(mine))[0]?.outcome, '404');
    await later();
    await settled(mine, 'delivered');
    assert.equal(new Set(to(mine).map(({ headers }) => headers['webhook-id'])).size, 1);
    await remove(mine);
  });

  it('R6.4 gives up after the last delay, keeps what was lost, and sends it again when told to', async () => {
    const mine = await receiver(acme, 404);
    await told('run_three');
    await eventually(async () => assert.equal((await deliveries(mine))[0]?.attempts, 1));
    await inTenant(place, ({ sql }) =>
      sql('UPDATE webhook_deliveries SET attempts = $2 WHERE integration_id = $1', [
        mine.id,
        webhookDelaySeconds.length,
      ]),
    );
    await later();
    await settled(mine, 'dead');
    const [dead = assert.fail()] = await deliveries(mine);
    hooks.answers.set(mine.path, [200]);
    const path = `/v1/integrations/${mine.id}/deliveries/${dead.id}/replay`;
    const replayed = await acme.call<Delivery>('POST', path);
    assert.equal(replayed.status, 202, replayed.text);
    await settled(mine, 'delivered');
    assert.equal((await deliveries(mine))[0]?.replays, 1);
    assert.equal(to(mine).at(-1)?.headers['webhook-id'], dead.id);
    assert.equal((await globex.call('POST', path)).status, 404);
    await remove(mine);
  });

  it('R6.4 ends at once what the receiver says is gone, and holds up nobody else by one that fails', async () => {
    const [gone, failing, good] = [await receiver(acme, 410), await receiver(acme, 500), await receiver()];
    await told('run_four');
    await Promise.all([settled(gone, 'dead'), settled(good, 'delivered')]);
    assert.equal((await deliveries(failing))[0]?.state, 'pending');
    for (const each of [gone, failing, good]) await remove(each);
  });

  it('R6.4 signs by both secrets while one is exchanged for the other, and by the new one alone afterwards', async () => {
    const mine = await receiver();
    const path = `/v1/integrations/${mine.id}/secret-rotations`;
    const rotated = await acme.call('POST', path, { credential: secretOf(2), overlapSeconds: 600 });
    assert.equal(rotated.status, 200, rotated.text);
    await told('run_five');
    await settled(mine, 'delivered');
    const both = to(mine).at(-1) ?? assert.fail();
    for (const fill of [1, 2])
      new Webhook(secretOf(fill)).verify(both.body, both.headers as Record<string, string>);
    await inTenant(place, ({ sql }) =>
      sql('UPDATE integrations SET previous_until = now() WHERE id = $1', [mine.id]),
    );
    await told('run_six');
    await eventually(async () => assert.ok(to(mine).at(-1)?.body.includes('run_six')));
    const one = to(mine).at(-1) ?? assert.fail();
    new Webhook(secretOf(2)).verify(one.body, one.headers as Record<string, string>);
    assert.throws(() => new Webhook(secretOf(1)).verify(one.body, one.headers as Record<string, string>));
    await remove(mine);
  });
});
