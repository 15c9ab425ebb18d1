import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reply } from '../support/client.ts';
import { type Deployment, deploy } from '../support/deployment.ts';
import { handed } from '../support/environment.ts';
import { freePort, temporalServer } from '../support/equipment.ts';
import {
  debianPostgres,
  type ExternalPostgres,
  embeddedPostgres,
  query,
} from '../support/external-postgres.ts';
import { runMain } from '../support/installation.ts';
import { follow, type Member, member, type Shown } from '../support/tenants.ts';

/** Everything Freehold is told of the servers is in these settings; nothing of it knows who started them. */
describe('a deployment on servers of others, by configuration only', () => {
  let directory: string;
  let servers: { eu: ExternalPostgres; us: ExternalPostgres };
  let temporal: Awaited<ReturnType<typeof temporalServer>>;
  let freehold: Deployment;
  let members: Member[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'freehold-external-'));
    await chmod(directory, 0o711);
    const [eu, us] = await Promise.all([debianPostgres('eu', directory), embeddedPostgres('us', directory)]);
    servers = { eu, us };
    temporal = await temporalServer(directory, () => {});
    await query(eu.urlOf('postgres'), 'CREATE DATABASE freehold_system');
    await query(eu.urlOf('postgres'), 'CREATE DATABASE freehold_eu_1');
    await query(us.urlOf('postgres'), 'CREATE DATABASE freehold_us_1');
    freehold = await deploy(await settings());
    await Promise.all([freehold.api(), freehold.worker()]);
  });
  after(async () => {
    await freehold?.stop();
    await Promise.all([temporal?.stop(), servers?.eu.stop(), servers?.us.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  async function settings() {
    const [port, metrics, workerMetrics] = await Promise.all([freePort(), freePort(), freePort()]);
    const publicUrl = `http://127.0.0.1:${port}`;
    const region = (name: 'eu' | 'us') => ({
      name,
      group: name.toUpperCase(),
      temporalNamespace: `freehold-${name}`,
      publicUrl,
      cells: [{ name: `${name}-1`, url: servers[name].urlOf(`freehold_${name}_1`), capacity: 1200 }],
    });
    const { mailbox } = handed();
    return {
      FREEHOLD_REGIONS: JSON.stringify([region('eu'), region('us')]),
      FREEHOLD_SYSTEM_DATABASE_URL: servers.eu.urlOf('freehold_system'),
      FREEHOLD_ROOT_KEY: randomBytes(32).toString('base64'),
      FREEHOLD_TEMPORAL_ADDRESS: temporal.address,
      FREEHOLD_HTTP_PORT: `${port}`,
      FREEHOLD_METRICS_PORT: `${metrics}`,
      FREEHOLD_WORKER_METRICS_PORT: `${workerMetrics}`,
      FREEHOLD_PUBLIC_URL: publicUrl,
      FREEHOLD_SMTP_URL: `smtp://127.0.0.1:${mailbox.port}`,
      FREEHOLD_MAILBOX_DIR: mailbox.directory,
      FREEHOLD_USAGE_JOURNAL_DIR: join(directory, 'usage-journal'),
      FREEHOLD_LOG_LEVEL: 'warn',
    };
  }

  it('R2.4 has an administrator who is no superuser, and makes no role that passes row-level security', async () => {
    for (const server of [servers.eu, servers.us]) {
      const powerful = await query(
        server.urlOf('postgres'),
        "SELECT rolname FROM pg_roles WHERE (rolsuper OR rolbypassrls) AND rolname <> 'postgres'",
      );
      assert.deepEqual(powerful, []);
    }
  });

  it('R1.1 migrates again without changing anything', async () => {
    await runMain(['migrate'], freehold.settings);
  });

  it('R1.1 R1.3 onboards in both regions, and the administrators sign in', async () => {
    members = await Promise.all([member({ region: 'eu' }, freehold), member({ region: 'us' }, freehold)]);
    for (const each of members) {
      assert.equal((await each.call('GET', '/v1/tenant')).status, 200);
      assert.equal((await each.call('POST', '/v1/agents', { name: 'alpha', model: 'demo' })).status, 201);
    }
  });

  it('R1.4 deletes in both regions: schema, role and key are gone, and it is certified', async () => {
    for (const { tenant } of members) {
      const path = `/v1/tenants/${tenant.id}?graceSeconds=0`;
      const asked: Reply<Shown> = await freehold.operator.call<Shown>('DELETE', path);
      assert.equal(asked.status, 202, asked.text);
      const done = await follow(asked.body.operation.id, freehold.operator);
      assert.equal(done.state, 'succeeded', JSON.stringify(done));
      const certificate = done.result?.certificate as { remains: object } | undefined; // activities/tenant-schema.ts
      assert.deepEqual(certificate?.remains, {
        schemas: 0,
        roles: 0,
        keys: 0,
        intake: 0,
        mirroredDays: 0,
        mirroredRequests: 0,
      });
    }
    for (const [region, server] of Object.entries(servers)) {
      const roles = await query(
        server.urlOf(`freehold_${region}_1`),
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 't\\_%' AND rolname NOT LIKE 't\\_0000%'",
      );
      assert.deepEqual(roles, []);
    }
  });
});
