import assert from 'node:assert/strict';
import { config } from '../../models/databases.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { createIntegration } from '../../models/tenant/integration.ts';
import { queueWebhook } from '../../models/tenant/webhook.ts';
import { type Targets, verdictsOf } from '../../policies/integration.ts';
import { temporal } from '../../temporal/client.ts';
import { ensureSchedules } from '../../temporal/schedules.ts';
import { lifecycleId, watchId } from '../../workflows/registry.ts';
import { placeFor } from '../support/errands.ts';
import { everythingTwice } from '../support/faults.ts';
import { replayStored, replayWorkflow } from '../support/histories.ts';
import { askFor } from '../support/lifecycle.ts';
import { until } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';
import { freshSlug } from '../support/tenants.ts';
import { type Certified, certificateFor, type Served, tlsServer, trust } from '../support/tls-server.ts';
import { type Hooks, hookServer, type Receiver, receiverIn, statesOf } from '../support/webhooks.ts';

const kind = 'watch-integrations';
const days = (count: number) => new Date(Date.now() + count * 86_400_000);
type State = {
  state: string;
  failing_since: Date | null;
  warned_days: number | null;
  certificate_until: Date | null;
};

describe('the workflow watch-integrations', () => {
  let stage: Stage;
  let hooks: Hooks;
  let server: Served;
  let certified: Certified;
  let status = 200;

  before(async () => {
    certified = await certificateFor(['127.0.0.1'], days(12));
    trust(certified);
    [stage, hooks, server] = await Promise.all([
      setStage(),
      hookServer(),
      tlsServer(certified, (_request, response) => response.writeHead(status).end()),
    ]);
    await ensureSchedules(config(), () => {});
    await schedule().pause();
    await stage.work();
  });
  after(async () => {
    hooks.stop();
    server.stop();
    await stage.leave();
  });
  beforeEach(() => {
    status = 200;
  });

  const schedule = () => temporal().client.schedule.getHandle(watchId);
  /** One watch, from its beginning to its end; the server names the run of a schedule after the time. */
  async function watch(): Promise<string> {
    const runs = async () => (await schedule().describe()).info;
    const before = (await runs()).numActionsTaken;
    await schedule().trigger();
    await until(async () => (await runs()).numActionsTaken > before);
    const { recentActions } = await runs();
    const { workflow } = recentActions.at(-1)?.action ?? assert.fail();
    const { workflowId, firstExecutionRunId } = workflow;
    await temporal().client.workflow.getHandle(workflowId, firstExecutionRunId).result();
    return workflowId;
  }
  /** What one watch cannot do on a busy machine, the next does: that is what it is for. */
  async function watchUntil(holds: () => Promise<void>): Promise<void> {
    for (let times = 1; times < 5; times++) {
      await watch();
      const held = await holds().then(
        () => true,
        () => false,
      );
      if (held) return;
    }
    await holds();
  }

  type Watched = { place: Place; tenantId: string; id: string; receiver: Receiver };
  async function watched(expiresAt: string | null = null): Promise<Watched> {
    const { tenantId } = await askFor('suspend-tenant', stage.principal, { previous: 'active' });
    const place = await placeFor({ tenantId });
    const keyring = await keyringOf(place);
    const target: Targets['http'] = { url: `https://127.0.0.1:${server.port}/`, auth: 'bearer' };
    const given = {
      kind: 'http',
      name: freshSlug('api'),
      target,
      credential: 'a token of a test',
      expiresAt,
    } as const;
    const found = { verdicts: verdictsOf(), certificateUntil: null };
    const id = await inTenant(place, ({ sql }) => createIntegration(sql, keyring, given, found));
    const receiver = await receiverIn(place, hooks, {
      events: ['integration.failing', 'integration.expiring'],
    });
    const one = { place, tenantId, id, receiver };
    await aged(one);
    return one;
  }
  const aged = ({ place }: Watched) =>
    inTenant(place, ({ sql }) =>
      sql("UPDATE integrations SET checked_at = now() - interval '1 day' WHERE kind = 'http'"),
    );
  const stateOf = async ({ place, id }: Watched): Promise<State> => {
    const rows = await inTenant(place, ({ sql }) =>
      sql<State>('SELECT * FROM integrations WHERE id = $1', [id]),
    );
    return rows[0] ?? assert.fail();
  };
  const eventsTo = ({ receiver }: Watched) =>
    hooks.received
      .filter(({ path }) => path === receiver.path)
      .map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> });

  it('R6.4 checks what was not checked for long, and tells once when it begins to fail and of nothing when it is well again', async () => {
    const one = await watched();
    status = 401;
    await watchUntil(async () => assert.equal((await stateOf(one)).state, 'failing'));
    const since = (await stateOf(one)).failing_since;
    await until(async () => eventsTo(one).some(({ type }) => type === 'integration.failing'));
    await aged(one);
    await watch();
    assert.deepEqual((await stateOf(one)).failing_since, since);
    assert.equal(eventsTo(one).filter(({ type }) => type === 'integration.failing').length, 1);
    status = 200;
    await aged(one);
    await replayWorkflow(kind, await watch(), 'succeeded');
    const { state, failing_since } = await stateOf(one);
    assert.deepEqual([state, failing_since], ['active', null]);
  });

  it('R6.4 warns once at each mark of a certificate or a credential that ends soon', async () => {
    const one = await watched(days(40).toISOString());
    await watchUntil(async () => assert.ok((await stateOf(one)).certificate_until));
    const { certificate_until, warned_days } = await stateOf(one);
    assert.ok(certificate_until && Math.abs(certificate_until.getTime() - days(12).getTime()) < 600_000);
    assert.equal(warned_days, 14);
    const warnings = () => eventsTo(one).filter(({ type }) => type === 'integration.expiring');
    await until(async () => warnings().length === 1);
    assert.equal(warnings()[0]?.data.what, 'certificate');
    await aged(one);
    await watch();
    await inTenant(one.place, ({ sql }) =>
      sql('UPDATE integrations SET expires_at = $2 WHERE id = $1', [one.id, days(3)]),
    );
    await aged(one);
    await watchUntil(async () => assert.equal((await stateOf(one)).warned_days, 7));
    await until(async () => warnings().length === 2);
    assert.deepEqual([warnings()[1]?.data.what, warnings()[1]?.data.days], ['credential', 7]);
  });

  it('R6.4 finds webhooks that nobody woke', async () => {
    const one = await watched();
    await inTenant(one.place, ({ sql }) =>
      queueWebhook(sql, 'integration.failing', { integrationId: 'int_x', stage: 'auth' }),
    );
    const delivered = async () => (await statesOf(one.place, one.receiver)).includes('delivered');
    await watchUntil(() => until(delivered));
  });

  it('R6.4 leaves alone what nobody has tried yet, and tenants that are suspended', async () => {
    const [untried, suspended] = [await watched(), await watched()];
    await inTenant(untried.place, ({ sql }) =>
      sql("UPDATE integrations SET state = 'unverified' WHERE kind = 'http'"),
    );
    await inTenant(suspended.place, ({ sql }) => sql("UPDATE tenant SET state = 'suspended'"));
    status = 401;
    await watch();
    assert.equal((await stateOf(untried)).state, 'unverified');
    assert.equal((await stateOf(suspended)).state, 'active');
  });

  it('R6.4 looks after the others when one tenant’s key is gone, and does no harm twice', async () => {
    const [lost, well] = [await watched(), await watched()];
    await inTenant(lost.place, ({ sql }) => sql("UPDATE integrations SET credential_sealed = '\\x00'"));
    stage.faults.set('eu', everythingTwice);
    status = 401;
    await watchUntil(async () => assert.equal((await stateOf(well)).state, 'failing'));
    stage.faults.delete('eu');
    await until(async () => eventsTo(well).length > 0);
    assert.equal(eventsTo(well).filter(({ type }) => type === 'integration.failing').length, 1);
  });

  it('R6.4 does nothing under the id of a tenant’s own work', async () => {
    const { tenantId } = await watched();
    const options = { workflowId: lifecycleId(tenantId), taskQueue: 'cp.eu', args: [{ regions: ['eu'] }] };
    const forged = await temporal().client.workflow.start('watchIntegrations', options);
    await assert.rejects(forged.result(), (error: Error) => JSON.stringify(error.cause).includes('"stray"'));
  });

  it('R6.4 replays the histories of every version that ever landed', async () => {
    assert.ok((await replayStored(kind)) > 0);
  });
});
