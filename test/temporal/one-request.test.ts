import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../config.ts';

import { schemaOf } from '../../models/ids.ts';
import { openTemporal } from '../../temporal/client.ts';
import { lifecycleId } from '../../workflows/registry.ts';
import { callerOf, send } from '../support/client.ts';
import { type Deployment, databasesOf, deployBeside } from '../support/deployment.ts';
import type { Running } from '../support/installation.ts';
import { asked, follow, freshSlug, type Member, member, type Shown } from '../support/tenants.ts';
import { eventually, asked as query } from '../support/traces.ts';

type Line = { msg: string; requestId?: string; tenantId?: string; operationId?: string; activity?: string };
type Event = { action: string; outcome: string; operation_id: string | null; request_id: string | null };

const onboarding = 'onboarding-of-the-year';
const suspension = 'suspension-of-the-year';

/** One request id, from the answer's header to the last thing that was done because of it. */
describe('a request', () => {
  let here: Deployment;
  let api: Running;
  let worker: Running;
  let tenant: Shown;
  let suspended: Shown;
  let slug: string;

  before(async () => {
    here = await deployBeside({ FREEHOLD_LOG_LEVEL: 'info' });
    [api, worker] = await Promise.all([here.api(), here.worker()]);
    slug = freshSlug();
    const given = { 'x-request-id': onboarding };
    const made = await here.operator.call<Shown>('POST', '/v1/tenants', asked(slug), given);
    assert.equal(made.headers['x-request-id'], onboarding);
    tenant = made.body;
    assert.equal((await follow(tenant.operation.id, here.operator)).state, 'succeeded');
    const reply = await here.operator.call<Shown>(
      'PUT',
      `/v1/tenants/${tenant.id}/suspension`,
      { reason: 'unpaid' },
      { 'x-request-id': suspension },
    );
    suspended = reply.body;
    assert.equal((await follow(suspended.operation.id, here.operator)).state, 'succeeded');
  });
  after(() => here.stop());

  const linesOf = (running: Running): Line[] =>
    running
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line); // pino’s own lines

  it('R3.4 names its operation', async () => {
    for (const [{ operation }, requestId] of [
      [tenant, onboarding],
      [suspended, suspension],
    ] as const) {
      const { body } = await here.operator.call<{ requestId: string }>('GET', operation.href);
      assert.equal(body.requestId, requestId);
    }
  });

  it('R3.4 is in the log of the API with its tenant', async () => {
    await eventually(async () => {
      const line = linesOf(api).find((each) => each.requestId === onboarding && each.msg === 'request');
      assert.match(String(line?.tenantId), /^ten_/);
    });
  });

  it('R3.4 is with the workflow in Temporal, beside tenant and operation', async () => {
    const { client, connection } = openTemporal(loadConfig(here.settings).temporal);
    try {
      const handle = client.workflow.getHandle(lifecycleId(tenant.id));
      const { memo, searchAttributes } = await handle.describe();
      assert.deepEqual(memo, { requestId: suspension });
      assert.deepEqual(searchAttributes.tenantId, [tenant.id]);
      assert.deepEqual(searchAttributes.operationId, [suspended.operation.id]);
    } finally {
      await connection.close();
    }
  });

  it('R3.4 is on every line that the worker writes because of it, with tenant and operation', async () => {
    await eventually(async () => {
      const lines = linesOf(worker).filter((each) => each.operationId === tenant.operation.id);
      const activities = new Set(lines.map((each) => each.activity));
      for (const name of ['ensureTenantSchema', 'sendInvitation', 'activateTenant'])
        assert.ok(activities.has(name), name);
      for (const line of lines)
        assert.deepEqual([line.requestId, line.tenantId], [onboarding, tenant.id], JSON.stringify(line));
    });
    await eventually(async () => {
      const lines = linesOf(worker).filter((each) => each.operationId === suspended.operation.id);
      assert.ok(lines.length >= 2 && lines.every((each) => each.requestId === suspension));
    });
  });

  it('R3.4 is in both audit trails, of what was asked and of what was done', async () => {
    const urls = databasesOf(here.settings);
    const where = (requestId: string) => `WHERE request_id = '${requestId}' ORDER BY seq`;
    const platform = (requestId: string) =>
      query<Event>(urls.system, `SELECT * FROM audit_events ${where(requestId)}`);
    const own = (requestId: string) =>
      query<Event>(urls.eu, `SELECT * FROM ${schemaOf(tenant.id)}.audit_events ${where(requestId)}`);
    const told = (events: Event[]) => events.map(({ action, outcome }) => `${action} ${outcome}`);
    assert.deepEqual(told(await platform(onboarding)), ['create Tenant asked', 'provision-tenant done']);
    assert.deepEqual(told(await own(onboarding)), ['tenant active done']);
    assert.deepEqual(told(await platform(suspension)), ['suspend Tenant asked', 'suspend-tenant done']);
    assert.deepEqual(told(await own(suspension)), ['tenant suspended done']);
    // No event of an operation has lost its request on the way.
    for (const [url, table] of [
      [urls.system, 'audit_events'],
      [urls.eu, `${schemaOf(tenant.id)}.audit_events`],
    ] as const) {
      const lost = `SELECT action FROM ${table} WHERE operation_id IS NOT NULL AND request_id IS NULL`;
      assert.deepEqual(await query(url, lost), []);
    }
  });

  it('R3.4 is in the mail, whose links lead to the tenant’s own host', async () => {
    const directory = here.settings.FREEHOLD_MAILBOX_DIR ?? '';
    const files = (await readdir(directory)).filter((name) => name.endsWith('.eml'));
    const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')));
    const [mail = '', ...more] = texts.filter((text) => text.includes(`admin@${slug}.example`));
    assert.equal(more.length, 0);
    assert.match(mail, new RegExp(`^X-Request-Id: ${onboarding}\r$`, 'im'));
    const { port } = new URL(here.url);
    assert.ok(mail.includes(`http://${slug}.localhost:${port}/invitations/fh_inv_`), mail);
  });

  it('R3.4 is counted under its tenant, by the API and by the worker', async () => {
    const other: Member = await member({}, here);
    await other.call('GET', '/v1/agents');
    const metricsOf = async (port: string | undefined) =>
      (await send(`http://127.0.0.1:${port}`, 'GET', '/metrics')).text;
    const { FREEHOLD_METRICS_PORT, FREEHOLD_WORKER_METRICS_PORT } = here.settings;
    const [ofApi, ofWorker] = await Promise.all([
      metricsOf(FREEHOLD_METRICS_PORT),
      metricsOf(FREEHOLD_WORKER_METRICS_PORT),
    ]);
    assert.ok(ofApi.includes(`freehold_http_requests_total{tenant="${other.tenant.id}",credential="ses"} 1`));
    for (const { id } of [tenant, other.tenant])
      assert.match(
        ofWorker,
        new RegExp(`freehold_activities_total\\{tenant="${id}",outcome="done"\\} [1-9]\\d*`),
      );
    // Ids only: neither who asked nor whom it is about.
    for (const text of [ofApi, ofWorker]) assert.ok(!text.includes(slug) && !text.includes('@'));
  });

  it('R3.4 is made up when the caller names none, or names it by what could be something else', async () => {
    const as = callerOf(here.operatorKey, here.url);
    for (const given of [
      '',
      'short',
      'x'.repeat(65),
      'with space in it',
      'ünïcodeünïcode',
      'a@b.example.com',
    ])
      assert.match(
        String(
          (
            await as.call(
              'GET',
              '/v1/tenants',
              undefined,
              given ? { 'x-request-id': Buffer.from(given).toString('latin1') } : {},
            )
          ).headers['x-request-id'],
        ),
        /^req_[0-9a-z]{26}$/,
        given,
      );
  });

  it('R3.4 leaves no personal data in the logs', () => {
    for (const running of [api, worker]) {
      const text = running.log();
      assert.ok(text.length > 500);
      assert.ok(
        !text.includes(`admin@${slug}`) && !text.includes('Ada Admin') && !/fh_(inv|key|ses)_/.test(text),
      );
    }
  });
});
