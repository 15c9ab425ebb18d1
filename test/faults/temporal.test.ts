import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reply } from '../support/client.ts';
import { type Deployment, databasesOf, deploy } from '../support/deployment.ts';
import { handed, ownSettings } from '../support/environment.ts';
import { lastingTemporal } from '../support/equipment.ts';
import { type Lasting, lasting } from '../support/outage.ts';
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
import { assertMadeOnce, counted, eventually } from '../support/traces.ts';

describe('Temporal away for a while', () => {
  let directory: string;
  let temporal: Lasting;
  let freehold: Deployment;

  let acme: Member;
  let leaving: Shown;
  let deletion: string;
  let asleep: { tenant: Shown; slug: string };

  before('take Temporal away from a running Freehold', async () => {
    directory = await mkdtemp(join(tmpdir(), 'freehold-temporal-'));
    const { address, launch } = await lastingTemporal(directory);
    temporal = await lasting(launch, 'SIGKILL');
    freehold = await deploy(await ownSettings({ ...handed(), temporalAddress: address }, 'freehold'));
    await Promise.all([freehold.api(), freehold.worker()]);
    [acme, leaving] = await Promise.all([member({}, freehold), onboard({}, freehold.operator)]);
    const deleting = await freehold.operator.call<Shown>(
      'DELETE',
      `/v1/tenants/${leaving.id}?graceSeconds=3600`,
    );
    deletion = deleting.body.operation.id;
    // Told to the row after a second of running, so that it can be read without Temporal.
    const told = `operations WHERE id = '${deletion}' AND percent > 0`;
    await eventually(async () =>
      assert.equal((await counted(databasesOf(freehold.settings).system, { told })).told, 1),
    );
    await temporal.crash();
  });
  after(async () => {
    await freehold.stop();
    await temporal.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const keyed = (slug: string) =>
    freehold.operator.call<Shown>('POST', '/v1/tenants', asked(slug), { 'idempotency-key': slug });

  it('R1.4 reads go on, those of operations from their stored row', async () => {
    assert.equal((await acme.call('GET', '/v1/agents')).status, 200);
    assert.equal((await acme.call('POST', '/v1/agents', { name: 'alpha', model: 'demo' })).status, 201);
    assert.equal((await freehold.operator.call('GET', '/v1/tenants')).status, 200);
    const operation = await freehold.operator.call<Followed>('GET', `/v1/operations/${deletion}`);
    assert.equal(operation.status, 200);
    assert.deepEqual(
      [operation.body.state, operation.body.steps.length > 0],
      ['running', true],
      operation.text,
    );
  });

  it('R1.1 an onboarding is accepted and kept', async () => {
    const slug = freshSlug();
    const reply = await keyed(slug);
    assert.equal(reply.status, 202, reply.text);
    asleep = { tenant: reply.body, slug };
    const replayed = await keyed(slug);
    assert.equal(replayed.body.id, reply.body.id);
  });

  it('R1.4 what needs a running workflow answers 503 and when to come back, and changes nothing', async () => {
    const refused: Reply[] = await Promise.all([
      freehold.operator.call('POST', `/v1/operations/${deletion}/cancellation`),
      freehold.operator.call('POST', `/v1/operations/${deletion}/retry`),
      freehold.operator.call('DELETE', `/v1/tenants/${leaving.id}/deletion`),
    ]);
    for (const { status, headers, text } of refused) {
      assert.equal(status, 503, text);
      assert.match(String(headers['content-type']), /problem\+json/);
      assert.ok(Number(headers['retry-after']) > 0);
    }
  });

  it('R1.4 readiness names Temporal as the part that is missing', async () => {
    const reply = await freehold.operator.call<{ missing: string[] }>('GET', '/readyz');
    assert.equal(reply.status, 503);
    assert.deepEqual(reply.body.missing, ['Temporal']);
  });

  it('R1.1 the onboarding kept meanwhile is started once when Temporal is back, by the sweep at the latest', async () => {
    await temporal.start();
    const done = await follow(asleep.tenant.operation.id, freehold.operator, 50);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    await assertMadeOnce(freehold.settings, { id: asleep.tenant.id, region: 'eu' });
  });

  it('R1.5 the deletion that was waiting can still be called off, by the same processes', async () => {
    const calledOff = await freehold.operator.call('DELETE', `/v1/tenants/${leaving.id}/deletion`);
    assert.equal(calledOff.status, 202, calledOff.text);
    assert.equal((await follow(deletion, freehold.operator)).state, 'cancelled');
    const { body } = await freehold.operator.call<Shown>('GET', `/v1/tenants/${leaving.id}`);
    assert.equal(body.state, 'active');
    await eventually(async () => assert.equal((await freehold.operator.call('GET', '/readyz')).status, 200));
  });
});
