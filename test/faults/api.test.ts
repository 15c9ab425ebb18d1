import assert from 'node:assert/strict';
import { type Deployment, databasesOf, deployBeside } from '../support/deployment.ts';
import type { Running } from '../support/installation.ts';
import { hold } from '../support/outage.ts';
import { proxyTo, type Wire } from '../support/proxy.ts';
import { asked, follow, freshSlug, type Shown } from '../support/tenants.ts';
import { assertMadeOnce, eventually, asked as rowsOf, sweep, workflowsOf } from '../support/traces.ts';

describe('an API process that is killed while it onboards a tenant', () => {
  let freehold: Deployment;
  let temporal: Wire;
  let api: Running;

  before(async () => {
    freehold = await deployBeside();
    temporal = await proxyTo(freehold.settings.FREEHOLD_TEMPORAL_ADDRESS ?? '');
    await Promise.all([freehold.worker(), startApi()]);
  });
  after(async () => {
    await freehold.stop();
    await temporal.close();
  });

  /** Reaches Temporal through the proxy, the workers do without. */
  async function startApi(): Promise<void> {
    temporal.mode = 'open';
    api = await freehold.api({ FREEHOLD_TEMPORAL_ADDRESS: temporal.address });
  }

  async function onboard(slug: string, key: string) {
    return freehold.operator.call<Shown>('POST', '/v1/tenants', asked(slug), { 'idempotency-key': key });
  }

  /** Answered, committed, and then killed while Temporal does not answer the start. */
  async function killedBeforeItKnew(mode: Wire['mode'], slug: string): Promise<Shown> {
    temporal.mode = mode;
    const reply = await onboard(slug, slug);
    assert.equal(reply.status, 202, reply.text);
    await api.stop('SIGKILL');
    return reply.body;
  }

  async function tenantsCalled(slug: string): Promise<number> {
    const { body } = await freehold.operator.call<{ items: unknown[] }>('GET', `/v1/tenants?slug=${slug}`);
    return body.items.length;
  }

  it('R1.1 loses nothing between commit and start: the sweep starts the onboarding, and the same key asks for no second one', async () => {
    const slug = freshSlug();
    const tenant = await killedBeforeItKnew('silent', slug);
    assert.equal(await workflowsOf(freehold.settings, tenant.id), 0, 'it was not started');
    await startApi();
    const again = await onboard(slug, slug);
    assert.deepEqual([again.status, again.body.id], [202, tenant.id]);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    await sweep(freehold.settings, tenant.operation.id);
    assert.equal((await follow(tenant.operation.id, freehold.operator)).state, 'succeeded');
    assert.equal(await tenantsCalled(slug), 1);
    await assertMadeOnce(freehold.settings, { id: tenant.id, region: 'eu' });
  });

  it('R1.1 starts an onboarding once when only the answer to the start was lost', async () => {
    const slug = freshSlug();
    // Keeps it running, so that the sweep has a reason to look at it.
    const release = await hold(databasesOf(freehold.settings).eu, 'platform.tenant_keys');
    const tenant = await killedBeforeItKnew('deaf', slug);
    await sweep(freehold.settings, tenant.operation.id);
    await release();
    await startApi();
    assert.equal((await follow(tenant.operation.id, freehold.operator)).state, 'succeeded');
    await assertMadeOnce(freehold.settings, { id: tenant.id, region: 'eu' });
  });

  it('R1.1 leaves nothing of a request that was not committed, and the same key then onboards one tenant', async () => {
    const slug = freshSlug();
    const urls = databasesOf(freehold.settings);
    const release = await hold(urls.eu, 'platform.intake');
    const broken = onboard(slug, slug).catch((error: Error) => error);
    await eventually(async () => {
      const waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'platform.intake'::regclass";
      assert.equal((await rowsOf(urls.eu, waiting)).length, 1);
    });
    await api.stop('SIGKILL');
    assert.ok((await broken) instanceof Error, 'the client got no answer');
    await release();
    await startApi();
    const tenant = await onboard(slug, slug);
    assert.equal(tenant.status, 202, tenant.text);
    assert.equal(tenant.headers['idempotency-replayed'], undefined);
    assert.equal((await follow(tenant.body.operation.id, freehold.operator)).state, 'succeeded');
    assert.equal(await tenantsCalled(slug), 1);
    await assertMadeOnce(freehold.settings, { id: tenant.body.id, region: 'eu' });
  });
});
