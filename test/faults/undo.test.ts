import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { loadConfig } from '../../config.ts';
import { closeDatabases, useConfig } from '../../models/databases.ts';
import { schemaOf } from '../../models/ids.ts';
import { log } from '../../telemetry.ts';
import { closeTemporal } from '../../temporal/client.ts';
import { runWorkers, type Workers } from '../../temporal/worker.ts';
import { type Deployment, databasesOf, deployBeside } from '../support/deployment.ts';
import { type Around, at, faultyParts } from '../support/faults.ts';
import { until } from '../support/outage.ts';
import { asked, type Followed, follow, freshSlug, type Shown } from '../support/tenants.ts';
import {
  eventually,
  onlyRemembered,
  placesThatDrifted,
  asked as rowsOf,
  tracesOf,
} from '../support/traces.ts';

describe('an undo that cannot succeed', () => {
  let freehold: Deployment;
  let workers: Workers;
  let slug: string;
  let tenant: Shown;
  let obstacle: string;
  let inTheWay = true;

  /** Somebody has given the tenant's role a right outside its schema: the role cannot be dropped while it has that. */
  const putInTheWay = async (schema: string) => {
    obstacle = `public.obstacle_${schema}`;
    await rowsOf(
      databasesOf(freehold.settings).eu,
      `CREATE TABLE ${obstacle} (); GRANT SELECT ON ${obstacle} TO ${schema}`,
    );
  };
  const mend = () => rowsOf(databasesOf(freehold.settings).eu, `DROP TABLE ${obstacle}`);

  /** The database refuses for real; only the patience of several minutes is cut short. */
  const impatient: Around = async (name, effect) => {
    try {
      return await effect();
    } catch (error) {
      if (name !== 'removeTenantSchema') throw error;
      throw ApplicationFailure.nonRetryable(String(error), 'refusal');
    }
  };
  const failing = (tenantId: string): Around =>
    at('applyPlan', 'before', async () => {
      if (!inTheWay) return;
      await putInTheWay(schemaOf(tenantId));
      throw ApplicationFailure.nonRetryable('Refused by the test.', 'refusal');
    });

  before('have an onboarding fail whose schema cannot be removed', async () => {
    freehold = await deployBeside();
    const config = loadConfig(freehold.settings);
    useConfig(config);
    log.level = 'fatal';
    const faults =
      (tenantId: string): Around =>
      (name, effect) =>
        failing(tenantId)(name, () => impatient(name, effect));
    workers = await runWorkers(config, faultyParts(faults));
    await Promise.all([freehold.api(), workers.ready]);
    slug = freshSlug();
    tenant = (await freehold.operator.call<Shown>('POST', '/v1/tenants', asked(slug))).body;
  });
  after(async () => {
    await workers.shutdown();
    await freehold.stop();
    await Promise.all([closeTemporal(), closeDatabases()]);
  });

  const retry = () => freehold.operator.call('POST', `/v1/operations/${tenant.operation.id}/retry`);
  const stateOfTenant = async () =>
    (await freehold.operator.call<Shown>('GET', `/v1/tenants/${tenant.id}`)).body.state;
  const isParked = (operation: Followed) => operation.state === 'parked';

  it('R1.4 parks the operation, with everything else undone and what is stuck in words', async () => {
    const parked = await until(tenant.operation.id, freehold.operator, isParked);
    assert.match(JSON.stringify(parked.steps), /Could not be undone/);
    const left = { ...onlyRemembered, addresses: 1, schemas: 1, roles: 1, intakes: 1 };
    assert.deepEqual(await tracesOf(freehold.settings, { id: tenant.id, region: 'eu' }), left);
    assert.equal(await stateOfTenant(), 'provisioning');
  });

  it('R1.4 lists it for operators as parked, and keeps the address taken', async () => {
    const path = `/v1/operations?state=parked&tenantId=${tenant.id}`;
    const { body } = await freehold.operator.call<{ items: { id: string }[] }>('GET', path);
    assert.deepEqual(
      body.items.map((operation) => operation.id),
      [tenant.operation.id],
    );
    assert.equal((await freehold.operator.call('POST', '/v1/tenants', asked(slug))).status, 409);
  });

  it('R1.4 parks it again when it is retried and nothing was mended', async () => {
    assert.equal((await retry()).status, 202);
    await until(tenant.operation.id, freehold.operator, isParked);
    assert.equal(await stateOfTenant(), 'provisioning');
  });

  it('R1.4 R1.1 completes the undo when it is retried after mending: nothing is left, and the address is free', async () => {
    await mend();
    inTheWay = false;
    // Asked while the former retry is still being tried it is a 409, so it is asked until it is taken and done.
    await eventually(async () => {
      await retry();
      const { body } = await freehold.operator.call<Followed>('GET', `/v1/operations/${tenant.operation.id}`);
      assert.equal(body.state, 'failed');
    }, 30);
    assert.equal(await stateOfTenant(), 'failed');
    assert.deepEqual(await tracesOf(freehold.settings, { id: tenant.id, region: 'eu' }), onlyRemembered);
    assert.deepEqual(await placesThatDrifted(freehold.settings), []);
    const again = await freehold.operator.call<Shown>('POST', '/v1/tenants', asked(slug));
    assert.equal(again.status, 202, again.text);
    assert.equal((await follow(again.body.operation.id, freehold.operator)).state, 'succeeded');
  });
});
