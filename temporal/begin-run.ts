import type { Located } from '../activities/llm/lease.ts';
import { newId } from '../models/ids.ts';
import { keyringOf } from '../models/keyring.ts';
import type { Sql } from '../models/scope.ts';
import { type AtOnce, type Doer, insistAllowed, runsAtOnce, slowedDown } from '../models/tenant/acting.ts';
import { type Reader, readable } from '../models/tenant/readable.ts';
import { insertRun, type NewRun, type RunLimits } from '../models/tenant/run.ts';
import { holdRound, noteRound, roundSeemsToFit } from '../models/tenant/run-metering.ts';
import { pinPlan, type Target, versionOf, type Which } from '../models/tenant/run-plan.ts';
import { sourcesIn } from '../models/tenant/settings.ts';
import { Refusal } from '../policies/refusal.ts';
import { runsUnderWay } from '../policies/run.ts';
import { insistOnBudget, type RunBudget } from '../policies/run-budget.ts';
import { inputFaults } from '../policies/run-input.ts';
import { namedIn, type RunPlan, rootWorkflow } from '../policies/run-plan.ts';
import type { Settings } from '../policies/setting-inheritance.ts';
import { settingsFrom } from '../policies/setting-inheritance.ts';
import { startRun, terminateRun } from './runs.ts';

/**
 * How every run begins, whoever asks: checked, pinned, stored, and started before the transaction one is in commits
 * (docs/decisions/2026-11-24-runs-start-before-their-commit.md). If it does not commit, the workflow finds no run.
 */
export type Asked = Pick<
  NewRun,
  'ownerId' | 'principal' | 'origin' | 'originId' | 'conversationId' | 'requestId' | 'labels'
> & {
  target: Target;
  which: Which;
  input: Record<string, unknown>;
  limits?: { [Name in keyof RunLimits]?: number | undefined } | undefined;
  /** Held from the start on, whole. */
  budget?: RunBudget | undefined;
  weight: number;
  /** What whoever starts it may see: a run never reaches further. */
  reader: Reader;
};

export async function beginRun(sql: Sql, place: Located, asked: Asked): Promise<string> {
  const { target, which, input, principal, weight, reader } = asked;
  const keyring = await keyringOf(place);
  const plan = await pinPlan(sql, keyring, target, which);
  await insistOnReadable(sql, reader, plan);
  const root = rootWorkflow(plan);
  refuseFaults(root.inputSchema, input);
  // On the connection one has: with all of them waiting for one of another pool, nobody would get on.
  const agentId = 'agentId' in target ? target.agentId : undefined;
  const settings = settingsFrom(await sourcesIn(sql, agentId, async () => keyring));
  const doer = { principalId: principal.id, agentId };
  const atOnce = await runsAtOnce(sql, settings.get('runs.maxConcurrent'), doer);
  await refuseOver(sql, atOnce.most - 1, atOnce);
  const most = (asked: number | undefined, ...others: number[]) =>
    Math.min(...others, ...(asked === undefined ? [] : [asked]));
  const limits: RunLimits = {
    steps: most(asked.limits?.steps, root.limits.steps, settings.get('runs.maxSteps')),
    minutes: most(asked.limits?.minutes, root.limits.minutes, settings.get('runs.maxMinutes')),
    tokens: most(asked.limits?.tokens, root.limits.tokens, settings.get('runs.maxTokens')),
    depth: most(asked.limits?.depth, root.limits.depth, settings.get('runs.maxDepth')),
  };
  if (asked.budget) insistOnBudget(asked.budget, limits);
  const id = newId('run');
  const environment = which === 'draft' ? 'draft' : 'live';
  await insertRun(sql, keyring, {
    ...asked,
    id,
    environment,
    definitionVersion: versionOf(plan),
    limits,
    plan,
  });
  const { tenantId, region } = place;
  const round = await noteRound(sql, { id, ...ofTarget(target), principal, round: 1, budget: asked.budget });
  // What will be refused does not reach Temporal; what fits is taken when nobody has to wait for Temporal's answer.
  const fits = await roundSeemsToFit(sql, round);
  if (!fits) {
    await takeStartingTurn(sql);
    await holdRound(sql, round);
  }
  // A limit that is used up says more than the restriction that follows from it.
  await insistAllowed(sql, 'start a run', doer);
  await startRun({ tenantId, region, runId: id, round: 1, principal, weight });
  try {
    // Only now, so that nobody waits for Temporal's answer to another.
    await takeStartingTurn(sql);
    await refuseOver(sql, atOnce.most, atOnce);
    if (fits) await holdRound(sql, round);
  } catch (refusal) {
    // Who is too late leaves no workflow that would look for its run; should this fail, it gives up by itself.
    await terminateRun({ tenantId, region, runId: id }, 'The run was refused.').catch(() => {});
    throw refusal;
  }
  return id;
}

const ofTarget = (target: Target) => ({
  agent_id: 'agentId' in target ? target.agentId : null,
  workflow_id: 'workflowId' in target ? target.workflowId : null,
});

/** Running what one may not see would show what it does; told as if it were not there. */
async function insistOnReadable(sql: Sql, reader: Reader, plan: RunPlan): Promise<void> {
  const named = namedIn(plan);
  const known = new Set<unknown>();
  for (const type of ['Agent', 'Workflow', 'Integration'] as const) {
    const ids = named.flatMap((each) => (each.type === type ? each.id : []));
    for (const { id } of await readable(sql, reader, type, ids)) known.add(id);
  }
  // What stands in something unreadable is not spoken of either.
  const shown = (holder: string) => known.has(holder) || named.every(({ id }) => id !== holder);
  const missing = named.find(({ id, holder }) => !known.has(id) && shown(holder));
  if (!missing) return;
  const { at, type } = missing;
  throw new Refusal('unprocessable', `${at} names what is not there: no such ${type.toLowerCase()}.`);
}

function refuseFaults(schema: Record<string, unknown>, input: unknown): void {
  const errors = inputFaults(schema, input).map((fault) => ({ ...fault, pointer: `/input${fault.pointer}` }));
  if (errors.length === 0) return;
  throw new Refusal('unprocessable', 'The input is not what this takes; each fault is listed.', { errors });
}

/** Until the end of the transaction, so that the last free place is given once. */
async function takeStartingTurn(sql: Sql): Promise<void> {
  await sql("SELECT pg_advisory_xact_lock(hashtext('runs'), hashtext(current_setting('app.tenant')))");
}

/** Before a round of a run that has ended, which takes a place like a run that begins. */
export async function refuseRound(sql: Sql, settings: Settings, doer: Doer): Promise<void> {
  await insistAllowed(sql, 'start a run', doer);
  const atOnce = await runsAtOnce(sql, settings.get('runs.maxConcurrent'), doer);
  await takeStartingTurn(sql);
  await refuseOver(sql, atOnce.most - 1, atOnce);
}

async function refuseOver(sql: Sql, underWay: number, { most: max, because }: AtOnce): Promise<void> {
  const [row] = await sql<{ count: string }>('SELECT count(*) FROM runs WHERE state = ANY ($1)', [
    runsUnderWay,
  ]);
  if (Number(row?.count) <= underWay) return;
  if (because) throw slowedDown(because);
  throw new Refusal(
    'rate-limited',
    `${max} runs are under way, and no more may be at once; try again when one has ended.`,
    {
      retryAfterSeconds: 10,
    },
  );
}
