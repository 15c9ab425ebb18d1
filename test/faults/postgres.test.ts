import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Deployment, databasesOf, deploy, ownNamespace } from '../support/deployment.ts';
import { createDatabases, handed, settingsFor } from '../support/environment.ts';
import { freePort, postgresNamed } from '../support/equipment.ts';
import { hold, type Lasting, lasting, stepOf, until } from '../support/outage.ts';
import { agentNames, assertTryLater, keptAsking, writingAgents } from '../support/persistence.ts';
import {
  asked,
  type Followed,
  follow,
  freshSlug,
  type Member,
  member,
  onboard,
  type Shown,
} from '../support/tenants.ts';
import { assertMadeOnce, eventually } from '../support/traces.ts';

/** Architecture: a region that comes back is served again within 15 seconds, by the processes that were there. */
const recoverySeconds = 15;

type Region = Lasting & { url: string };

async function region(name: 'eu' | 'us', directory: string): Promise<Region> {
  const port = await freePort();
  let url = '';
  const launch = async () => {
    const running = await postgresNamed(name, directory, port);
    ({ url } = running);
    return running;
  };
  // Postgres' immediate shutdown: sessions are cut, nothing is put in order, the log is replayed at the next start.
  const server = await lasting(launch, 'SIGQUIT');
  return { ...server, url };
}

describe('the Postgres of a region goes away and comes back', () => {
  let directory: string;
  let eu: Region;
  let us: Region;
  let freehold: Deployment;
  let acme: Member;
  let globex: Member;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'freehold-postgres-'));
    await chmod(directory, 0o711);
    [eu, us] = await Promise.all([region('eu', directory), region('us', directory)]);
    const given = { ...handed(), postgres: { eu: eu.url, us: us.url } };
    const names = { system: 'freehold_system', eu: 'freehold_eu_1', us: 'freehold_us_1' };
    await createDatabases(given, names);
    freehold = await deploy(await settingsFor(given, names, ownNamespace()));
    await Promise.all([freehold.api(), freehold.worker()]);
    [acme, globex] = await Promise.all([
      member({ region: 'eu', quotas: { agents: 100_000 } }, freehold),
      member({ region: 'us' }, freehold),
    ]);
  });
  after(async () => {
    await freehold.stop();
    await Promise.all([eu.stop(), us.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  const agentsOf = (who: Member) => who.call('GET', '/v1/agents');
  const readyz = () => freehold.operator.call<{ missing: string[] }>('GET', '/readyz');

  describe('a region that is not the home region', () => {
    let caught: Shown;

    before('take it away in the middle of an onboarding', async () => {
      await hold(databasesOf(freehold.settings).us, 'platform.tenant_schemas');
      const reply = await freehold.operator.call<Shown>(
        'POST',
        '/v1/tenants',
        asked(freshSlug(), { region: 'us' }),
      );
      caught = reply.body;
      const between = (operation: Followed) =>
        stepOf(operation, 'ensureTenantSchema')?.state === 'running' &&
        stepOf(operation, 'ensureTenantKey')?.state === 'done';
      await until(caught.operation.id, freehold.operator, between);
      await us.crash();
    });

    it('R1.4 its tenants are told 503 and when to come back', async () => {
      assertTryLater(await agentsOf(globex));
      assertTryLater(await globex.call('POST', '/v1/agents', { name: 'alpha', model: 'demo' }));
    });

    it('R1.4 readiness names exactly the part that is missing', async () => {
      const { status, body } = await readyz();
      assert.deepEqual([status, body.missing], [503, ['cell us-1 (us)']]);
    });

    it('R1.1 the other region onboards and answers as ever', async () => {
      const tenant = await onboard({ region: 'eu' }, freehold.operator);
      await assertMadeOnce(freehold.settings, { id: tenant.id, region: 'eu' });
      assert.equal((await agentsOf(acme)).status, 200);
    });

    it('R1.1 an onboarding there is refused for now, and nothing of it stays', async () => {
      const slug = freshSlug();
      assertTryLater(await freehold.operator.call('POST', '/v1/tenants', asked(slug, { region: 'us' })));
      const { body } = await freehold.operator.call<{ items: unknown[] }>('GET', `/v1/tenants?slug=${slug}`);
      assert.deepEqual(body.items, []);
    });

    it('R1.1 the onboarding it interrupted completes by itself once it is back, each effect once', async () => {
      await us.start();
      const done = await follow(caught.operation.id, freehold.operator);
      assert.equal(done.state, 'succeeded', JSON.stringify(done));
      assert.ok(Number(stepOf(done, 'ensureTenantSchema')?.attempts) > 1);
      await assertMadeOnce(freehold.settings, { id: caught.id, region: 'us' });
    });

    it('R1.4 its tenants are served again without a restart', async () => {
      await eventually(async () => {
        assert.equal((await agentsOf(globex)).status, 200);
        assert.equal((await readyz()).status, 200);
      }, recoverySeconds);
    });
  });

  describe('the home region', () => {
    it('R1.4 every acknowledged write is there once, and the same processes serve on', async () => {
      const writers = Array.from({ length: 4 }, (_, writer) => writingAgents(acme, `writer-${writer}`));
      const slug = freshSlug();
      const onboarding = keptAsking<Shown>(freehold.operator, '/v1/tenants', slug, asked(slug));
      await pause(700);
      await eu.crash();
      await pause(1_000);
      await eu.start();
      await eventually(async () => assert.equal((await agentsOf(acme)).status, 200), recoverySeconds);
      const written = (await Promise.all(writers.map((writer) => writer.stop()))).flat();
      assert.ok(written.length > writers.length);
      assert.deepEqual((await agentNames(acme)).sort(), written.sort());
      const tenant = (await onboarding).body;
      assert.equal((await follow(tenant.operation.id, freehold.operator)).state, 'succeeded');
      await assertMadeOnce(freehold.settings, { id: tenant.id, region: 'eu' });
    });
  });
});
