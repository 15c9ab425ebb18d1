import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { WorkflowClient } from '@temporalio/client';
import { type DataConverter, defaultPayloadConverter } from '@temporalio/common';
import { cellAdministrator, config } from '../../models/databases.ts';
import { newId } from '../../models/ids.ts';
import { inTenant } from '../../models/scope.ts';
import type { Principal } from '../../policies/principal.ts';
import { temporal } from '../../temporal/client.ts';
import { runDataConverter, temporalNamespaceOf } from '../../temporal/run-namespace.ts';
import { principalHeader } from '../../workflows/registry.ts';
import { lookSignal, runQueue, runWorkflowId, runWorkflowType } from '../../workflows/run-registry.ts';
import { at } from '../support/faults.ts';
import { placed } from '../support/people.ts';
import { begun, ended, type Runner, runner, storedRun, until } from '../support/run-stage.ts';
import { makeWorkflow, type Outside, startOutside } from '../support/run-world.ts';
import { type Stage, setStage } from '../support/stage.ts';

/** Wall 7 for runs: whoever can reach Temporal past the API gets nothing done that nobody asked for. */
describe('the wall in front of runs', () => {
  let stage: Stage;
  let outside: Outside;
  let acme: Runner;
  let globex: Runner;
  before(async () => {
    [stage, outside] = await Promise.all([setStage(), startOutside()]);
    acme = await runner(stage.principal, outside);
    globex = await runner(stage.principal, outside);
    await stage.work();
  });
  after(async () => {
    await stage.leave();
    await outside.stop();
  });

  const workflowOf = ({ tenantId, integrationId }: Runner) =>
    makeWorkflow(tenantId, {
      steps: [
        { id: 'ask', kind: 'approval', role: 'owner', question: 'Go on?' },
        { id: 'one', kind: 'tool', integrationId, method: 'POST', path: '/one', after: ['ask'] },
      ],
    });
  const waiting = async (by: Runner): Promise<string> => {
    const runId = await begun(by, { workflowId: await workflowOf(by) });
    await until(by, runId, (run) => run.state === 'waiting');
    return runId;
  };

  type Forged = { tenantId: string; runId: string; id?: string; principal?: Principal; region?: string };
  const client = (principal?: Principal, dataConverter: DataConverter = runDataConverter, region = 'eu') =>
    new WorkflowClient({
      connection: temporal().connection,
      namespace: temporalNamespaceOf(config(), region),
      dataConverter,
      interceptors: [
        {
          start: (input, next) =>
            next({
              ...input,
              headers: principal ? { [principalHeader]: defaultPayloadConverter.toPayload(principal) } : {},
            }),
        },
      ],
    });
  /** As temporal/runs.ts would start it, but for what is forged. */
  const forge = ({
    tenantId,
    runId,
    id = runWorkflowId(tenantId, runId),
    principal,
    region = 'eu',
  }: Forged) =>
    client(principal, runDataConverter, region).start(runWorkflowType, {
      workflowId: id,
      taskQueue: runQueue(region),
      args: [{ tenantId, runId, round: 1 }],
    });
  const isStray = (error: Error) => JSON.stringify(error.cause).includes('stray');
  const effects = () => outside.effects.size;

  it('R2.3 starts nothing of one tenant in the name of another’s key', async () => {
    const runId = await begun(globex, { workflowId: await workflowOf(globex) });
    await until(globex, runId, (run) => run.state === 'waiting');
    await client().getHandle(runWorkflowId(globex.tenantId, runId)).terminate();
    const handle = await forge({ tenantId: globex.tenantId, runId, principal: acme.principal });
    await assert.rejects(handle.result(), isStray);
    const disguised = { ...acme.principal, tenantId: globex.tenantId };
    const other = await forge({ tenantId: globex.tenantId, runId, principal: disguised });
    await assert.rejects(other.result(), (error: Error) => /stray|refus/.test(JSON.stringify(error.cause)));
    assert.equal((await storedRun(globex, runId)).state, 'waiting', 'nothing of it has changed');
  });

  it('R2.3 refuses a workflow whose id and input name different tenants, or different runs', async () => {
    const runId = await waiting(globex);
    for (const id of [runWorkflowId(acme.tenantId, runId), runWorkflowId(acme.tenantId, newId('run'))]) {
      const handle = await forge({ tenantId: globex.tenantId, runId, id, principal: globex.principal });
      await assert.rejects(handle.result(), isStray);
    }
    assert.equal((await storedRun(globex, runId)).state, 'waiting');
  });

  it('R2.3 refuses a run that was never asked for, and one of another region', async () => {
    const { tenantId, principal } = acme;
    const absent = await forge({ tenantId, runId: newId('run'), principal });
    const runId = await waiting(acme);
    const abroad = await forge({ tenantId, runId, principal, region: 'us' });
    await assert.rejects(abroad.result(), isStray);
    await assert.rejects(absent.result(), isStray);
  }).timeout(60_000);

  it('R2.3 refuses a run that has ended, and one that says not in whose name it acts', async () => {
    const { tenantId, principal } = acme;
    const workflowId = await makeWorkflow(tenantId, { steps: [{ id: 'c', kind: 'condition', if: 'true' }] });
    const runId = await begun(acme, { workflowId });
    assert.equal((await ended(acme, runId)).state, 'succeeded');
    await pause(300);
    await assert.rejects((await forge({ tenantId, runId, principal })).result(), isStray);
    await assert.rejects((await forge({ tenantId, runId })).result(), isStray);
  });

  it('R2.3 stops a run when the right to it is taken away, and says so', async () => {
    const by = await runner(stage.principal, outside);
    const dismiss = () =>
      inTenant(placedNow, ({ sql }) =>
        sql('DELETE FROM role_assignments WHERE principal_id = $1', [by.principal.id]),
      );
    const placedNow = await placed(by.tenantId);
    stage.faults.set(by.tenantId, at('openRun', 'after', dismiss));
    const runId = await begun(by, { workflowId: await workflowOf(by) });
    const run = await ended(by, runId);
    assert.equal(run.state, 'refused');
    assert.equal(run.row.refusal_code, 'forbidden');
  });

  it('R2.3 opens nothing that is not sealed for this tenant: plain payloads and those of others run nothing', async () => {
    const before = effects();
    const runId = newId('run');
    const { tenantId, principal } = acme;
    const plain = await client(principal, {}).start(runWorkflowType, {
      workflowId: runWorkflowId(tenantId, runId),
      taskQueue: runQueue('eu'),
      args: [{ tenantId, runId, round: 1 }],
    });
    await pause(1_500);
    const { status, historyLength } = await plain.describe().then(({ status, raw }) => ({
      status,
      historyLength: Number(raw.workflowExecutionInfo?.historyLength),
    }));
    assert.equal(status.name, 'RUNNING');
    assert.ok(historyLength < 10, 'no activity was asked for');
    assert.equal(effects(), before);
    await plain.terminate();
  });

  it('R2.3 takes a forged signal for what it is: a reason to look, and nothing more', async () => {
    const runId = await waiting(globex);
    const handle = client().getHandle(runWorkflowId(globex.tenantId, runId));
    await handle.signal(lookSignal);
    await handle.signal('approve', { path: 'ask', verdict: 'approved' });
    await pause(500);
    const run = await storedRun(globex, runId);
    assert.equal(run.state, 'waiting');
    assert.ok(!run.steps.some((step) => step.path === 'one'));
  });

  it('R2.5 runs nothing for a tenant whose key is gone', async () => {
    const by = await runner(stage.principal, outside);
    const runId = await waiting(by);
    const before = effects();
    await cellAdministrator('eu-1').query(
      'UPDATE platform.tenant_keys SET wrapped = NULL, destroyed_at = now() WHERE tenant_id = $1',
      [by.tenantId],
    );
    // Longer than a key is kept in memory by the tests' settings.
    await pause(3_000);
    await client().getHandle(runWorkflowId(by.tenantId, runId)).cancel();
    await pause(2_000);
    const [row] = await inTenant(await placed(by.tenantId), ({ sql }) =>
      sql<{ state: string }>('SELECT state FROM runs WHERE id = $1', [runId]),
    );
    assert.equal(row?.state, 'waiting');
    assert.equal(effects(), before);
  }).timeout(30_000);
});
