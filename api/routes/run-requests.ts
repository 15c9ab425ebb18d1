import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import type { Sql, TenantScope } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { changeRun, type HeldRun, holdRun } from '../../models/tenant/held-run.ts';
import { openInRun, runById } from '../../models/tenant/run.ts';
import { changeBudget } from '../../models/tenant/run-budget.ts';
import { holdRound, noteRound } from '../../models/tenant/run-metering.ts';
import { beginRound } from '../../models/tenant/run-retry.ts';
import { settingsOf } from '../../models/tenant/settings.ts';
import { planAt } from '../../policies/plans.ts';
import { Refusal } from '../../policies/refusal.ts';
import { type RunRequest, runRequests } from '../../policies/run.ts';
import { budgetLeft, insistOnBudget, type RunBudget } from '../../policies/run-budget.ts';
import type { RunPlan } from '../../policies/run-plan.ts';
import { refuseRound } from '../../temporal/begin-run.ts';
import { nudgeRun, startRun, type WhichRun } from '../../temporal/runs.ts';
import { presentRun, runBudget, runSummary } from '../run.ts';
import { steered } from '../run-steering.ts';
import { id, line } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';

/** What people ask of a run that is there. It is written into the row; the run is told to look before that commits. */
const tag = 'Runs';
const params = z.strictObject({ runId: id('run') });
const answers = { 202: runSummary };
const load = ({ params: { runId }, tenantId }: { params: { runId: string }; tenantId: string }) =>
  forUpdate(runById(tenantId, runId));

type Asking = { tenant: TenantScope; tenantId: string; params: { runId: string } };
type Asked = { keyring: Keyring; run: HeldRun; which: WhichRun };

/** Holds the run in a state in which this may be asked of it. */
async function asking({ tenant, tenantId, params: { runId } }: Asking, request: RunRequest): Promise<Asked> {
  const place = await placeOf(tenantId);
  const run = await holdRun(tenant.sql, runId);
  if (!place || !run) throw new Error('bug: a run was loaded and is not there');
  const from: readonly string[] = runRequests[request].from;
  if (!from.includes(run.state)) {
    const when = request === 'retry' ? 'it can be retried once it has ended' : 'nothing can be asked of it';
    throw new Refusal('conflict', `The run is ${run.state}; ${when}.`);
  }
  return { keyring: await keyringOf(place), run, which: { tenantId, region: place.region, runId } };
}

async function answered({ tenant, tenantId, params: { runId } }: Asking, keyring: Keyring) {
  const { text, values } = runById(tenantId, runId);
  const [row] = await tenant.sql<Row>(text, values);
  return { status: 202, body: presentRun(keyring, row ?? {}), audit: { id: runId } };
}

async function want(call: Asking, request: Exclude<RunRequest, 'retry'>) {
  const { keyring, run, which } = await asking(call, request);
  await changeRun(call.tenant.sql, keyring, run, { wanted: runRequests[request].wanted });
  await steered(() => nudgeRun(which));
  return answered(call, keyring);
}

export const cancelRun = tenantWrite({
  method: 'post',
  path: '/runs/:runId/cancellation',
  tag,
  summary: 'Stop a run',
  permit: ['cancel', 'Run'],
  params,
  answers,
  load,
  handle: (call) => want(call, 'cancel'),
});

export const pauseRun = tenantWrite({
  method: 'post',
  path: '/runs/:runId/pause',
  tag,
  summary: 'Hold a run between two steps',
  permit: ['pause', 'Run'],
  params,
  answers,
  load,
  handle: (call) => want(call, 'pause'),
});

export const resumeRun = tenantWrite({
  method: 'post',
  path: '/runs/:runId/resume',
  tag,
  summary: 'Let a run go on',
  permit: ['pause', 'Run'],
  params,
  answers,
  load,
  handle: (call) => want(call, 'resume'),
});

/** What is not named stays as it was. */
async function widened(sql: Sql, run: HeldRun, more: RunBudget): Promise<void> {
  run.budget = { ...run.budget, ...more };
  insistOnBudget(run.budget, run.limits);
  await changeBudget(sql, run.id, run.budget);
}

export const retryRun = tenantWrite({
  method: 'post',
  path: '/runs/:runId/retries',
  routeClass: 'runs',
  tag,
  summary: 'Go on with a run that has ended, from where it failed or from a step',
  permit: ['retry', 'Run'],
  params,
  body: z.strictObject({
    from: line(64).optional(),
    budget: runBudget
      .optional()
      .meta({ description: 'What all rounds together may use, in the place of what was said before.' }),
  }),
  answers,
  load,
  handle: async ({ body: { from, budget }, credential, ...call }) => {
    const { keyring, run, which } = await asking(call, 'retry');
    const { sql } = call.tenant;
    // A round is a run like any other to the limit of how many may be under way.
    const doer = { principalId: call.principal.id, agentId: run.agent_id };
    await refuseRound(sql, await settingsOf(call.place), doer);
    const [row] = await sql<Row>('SELECT id, sealed_plan FROM runs WHERE id = $1', [run.id]);
    const plan = openInRun(keyring, 'sealed_plan', row ?? {}) as RunPlan; // sealed by insertRun
    await changeRun(sql, keyring, run, { state: 'queued', wanted: 'running' });
    if (budget) await widened(sql, run, budget);
    const left = budgetLeft(run);
    const round = await beginRound(sql, run.id, plan, from);
    await holdRound(sql, await noteRound(sql, { ...run, round, budget: left }));
    const { weight } = planAt(credential.plan, credential.planVersion);
    await steered(() => startRun({ ...which, round, principal: run.principal, weight }));
    return answered(call, keyring);
  },
});
