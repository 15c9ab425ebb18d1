import assert from 'node:assert/strict';
import { WorkflowClient } from '@temporalio/client';
import { defaultPayloadConverter, TypedSearchAttributes } from '@temporalio/common';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import type { Startable } from '../../models/system/operation.ts';
import { systemPlace } from '../../models/system/tenant.ts';
import type { Principal } from '../../policies/principal.ts';
import { temporal } from '../../temporal/client.ts';
import { controlQueue, lifecycleId, principalHeader, registry } from '../../workflows/registry.ts';
import { attributesOf, operationStateKey } from '../../workflows/search-attributes.ts';
import { at, failsForAWhile } from '../support/faults.ts';
import {
  askFor,
  askForTenant,
  assertStands,
  nothing,
  operator,
  remains,
  storedTenant,
} from '../support/lifecycle.ts';
import { assertFailedAt, begin, end } from '../support/runs.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** Wall 7: somebody who can start workflows past the API still gets nothing done that the API would not do. */
describe('the wall in front of activities', () => {
  let stage: Stage;
  before(async () => {
    stage = await setStage();
    await stage.work();
  });
  after(() => stage.leave());

  type Forged = { id?: string; region?: string; principal?: Principal | undefined };

  /** Starts the operation's workflow as temporal/start.ts would, but for what is forged. */
  const forge = async (operation: Startable, { id, region = 'eu', ...more }: Forged) => {
    const principal = 'principal' in more ? more.principal : operation.principal;
    const { connection, client } = temporal();
    const headers = principal ? { [principalHeader]: defaultPayloadConverter.toPayload(principal) } : {};
    const forger = new WorkflowClient({
      connection,
      namespace: client.options.namespace,
      interceptors: [{ start: (input, next) => next({ ...input, headers }) }],
    });
    const { tenantId, operationId } = operation;
    return forger.start(registry[operation.kind].workflowType, {
      workflowId: lifecycleId(id ?? tenantId),
      taskQueue: controlQueue(region),
      args: [{ tenantId, operationId, region: 'eu', ...operation.input }],
      typedSearchAttributes: new TypedSearchAttributes(attributesOf(operation)),
    });
  };
  const suspension = () => askFor('suspend-tenant', stage.principal, { previous: 'active' });
  const failsWithoutEffect = async (operation: Startable, forged: Forged) => {
    const handle = await forge(operation, forged);
    await assert.rejects(handle.result(), (error: Error) => JSON.stringify(error.cause).includes('"stray"'));
    await assertStands(operation, 'active');
  };

  it('R2.3 refuses a workflow whose id and input name different tenants', async () => {
    const [mine, other] = [await suspension(), await suspension()];
    await failsWithoutEffect(mine, { id: other.tenantId });
    await assertStands(other, 'active');
  });

  it('R2.3 refuses a tenant of another region', async () => {
    await failsWithoutEffect(await suspension(), { region: 'us' });
  });

  it('R1.5 refuses a workflow that does not say in whose name it acts', async () => {
    await failsWithoutEffect(await suspension(), { principal: undefined });
  });

  it('R1.5 refuses to act in the name of somebody who has not asked for this', async () => {
    await failsWithoutEffect(await suspension(), { principal: await operator() });
    await failsWithoutEffect(await suspension(), { principal: { kind: 'system', id: 'system:undo' } });
  });

  it('R1.5 does nothing for an operation that was never asked for, and undoes nothing', async () => {
    const operation = await suspension();
    await failsWithoutEffect({ ...operation, operationId: newId('op') }, {});
    await failsWithoutEffect({ ...operation, kind: 'provision-tenant' }, {});
  });

  it('R1.5 does nothing for an operation that has ended, and undoes nothing', async () => {
    const operation = await askForTenant(stage.principal);
    await end(await begin(stage, operation));
    await failsWithoutEffect(operation, {});
  });

  it('R1.5 stops an operation when the right to it is taken away, and undoes it', async () => {
    const principal = await operator();
    const operation = await askForTenant(principal);
    const dismiss = () =>
      inTenant(systemPlace(), ({ sql }) =>
        sql('DELETE FROM role_assignments WHERE principal_id = $1', [principal.id]),
      );
    const failed = await end(await begin(stage, operation, at('applyPlan', 'after', dismiss)));
    assertFailedAt('createInvitation', failed);
    assert.deepEqual(await remains(operation), nothing);
  });

  it('R2.5 lets nothing into Temporal that a failing activity says about a tenant', async () => {
    const secret = 'ada@example.com';
    const operation = await askForTenant(stage.principal);
    const fault = failsForAWhile('applyPlan', 'before', `duplicate key: ${secret}`);
    await end(await begin(stage, operation, fault));
    const { slug } = await storedTenant(operation);
    const text = await everythingInTemporal(operation);
    assert.ok(text.includes(operation.tenantId));
    assert.ok(!text.includes(secret) && !text.includes(String(slug)));
  });

  it('R1.4 tells operators in Temporal what is being done, and how far it is', async () => {
    const operation = await suspension();
    await end(await begin(stage, operation));
    const handle = temporal().client.workflow.getHandle(lifecycleId(operation.tenantId));
    const description = await handle.describe();
    assert.equal(await description.staticSummary(), 'Suspend tenant');
    assert.equal(description.typedSearchAttributes.get(operationStateKey), 'succeeded');
    const metadata = JSON.stringify(await handle.query('__temporal_workflow_metadata'));
    assert.match(metadata, /Succeeded.*Refuse new work and end sessions \(done at/);
  });
});

/** The whole history, with what its payloads say. */
async function everythingInTemporal({ tenantId }: Startable): Promise<string> {
  const history = await temporal().client.workflow.getHandle(lifecycleId(tenantId)).fetchHistory();
  const said: string[] = [];
  JSON.stringify(history, (_key, value) => {
    if (value instanceof Uint8Array) said.push(Buffer.from(value).toString());
    else if (typeof value === 'string') said.push(value);
    return value;
  });
  return said.join('\n');
}
