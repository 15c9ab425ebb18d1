import { Context } from '@temporalio/activity';
import { LRUCache } from 'lru-cache';
import type { Row } from '../../models/batch.ts';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place, type Sql } from '../../models/scope.ts';
import { changeRun, type HeldRun, holdOpenRun, holdRun } from '../../models/tenant/held-run.ts';
import { openInRun } from '../../models/tenant/run.ts';
import { meterStep } from '../../models/tenant/run-metering.ts';
import {
  type Beginning,
  type Begun,
  beginStep,
  endStep,
  type StepRow,
  stepsAt,
} from '../../models/tenant/run-step.ts';
import { foldSoon } from '../../models/tenant/usage-fold.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunRefusal } from '../../policies/run.ts';
import type { Outcome, RunPlan } from '../../policies/run-plan.ts';
import { wakeWebhooks } from '../../temporal/webhooks.ts';
import { placeFor } from '../activity.ts';
import { sayable } from './sayable.ts';

/**
 * What every activity of a run stands in: the run's row, held for one transaction, with what it carries. What goes
 * wrong outside is told apart here: what is the step's own comes back as an outcome, sealed; what is the world's is
 * thrown, and Temporal tries again.
 */
export type RunStep = { tenantId: string; runId: string };
export type RunPlace = Place & { region: string };
export type Held = {
  sql: Sql;
  keyring: Keyring;
  run: HeldRun;
  carried: Carried;
  told: Told;
};
/** What somebody is to hear of once it is committed. */
type Told = { webhooks: boolean; usage: boolean };
type Carried = { plan: RunPlan; input: unknown };

// Immutable from the start on; opening it costs more than the rest of a small step. Without the key nothing uses it.
const carriedMs = 60_000;
const kept = new LRUCache<string, Carried>({ max: 200, ttl: carriedMs });

export async function inRun<T>(
  { tenantId, runId }: RunStep,
  act: (held: Held, place: RunPlace) => Promise<T>,
  { evenEnded = false } = {},
): Promise<T> {
  const place = await placeFor(tenantId);
  const keyring = await keyringOf(place);
  const told: Told = { webhooks: false, usage: false };
  const done = await inTenant(place, async ({ sql }) => {
    const run = await (evenEnded ? holdRun : holdOpenRun)(sql, runId);
    if (!run) throw new Refusal('not-found', 'There is no such run.');
    const carried = kept.get(`${tenantId}/${runId}`) ?? (await carriedBy(sql, keyring, runId));
    kept.set(`${tenantId}/${runId}`, carried);
    return act({ sql, keyring, run, carried, told }, place);
  });
  // What is told is told once it is true. Should this fail, the watch over integrations sees to it.
  if (told.usage) foldSoon(place);
  if (told.webhooks) await wakeWebhooks(place);
  return done;
}

async function carriedBy(sql: Sql, keyring: Keyring, runId: string): Promise<Carried> {
  const [row] = await sql<Row>('SELECT id, sealed_plan, sealed_input FROM runs WHERE id = $1', [runId]);
  if (!row) throw new Error(`bug: ${runId} is held and not there`);
  // Both were sealed by insertRun.
  return {
    plan: openInRun(keyring, 'sealed_plan', row) as RunPlan,
    input: openInRun(keyring, 'sealed_input', row),
  };
}

/** Nothing new is begun: people asked for a pause or an end, the tenant stands still, or its ladder holds the run. */
export const standsStill = ({ wanted, tenant_state, restricted }: HeldRun): boolean =>
  wanted !== 'running' || tenant_state !== 'active' || restricted;

export type Fault = { code: RunRefusal; refusal: string; again: boolean };

/** Ours to say about a step: everything that is thrown for a tenant's tool, model or expression. */
export class StepFault extends Error {
  readonly fault: Fault;
  constructor(code: RunRefusal, refusal: string, again = false) {
    super(refusal);
    this.fault = { code, refusal, again };
  }
}

/** What a limit or the step's own rules said. */
function ownFault(error: unknown): Fault | undefined {
  if (error instanceof StepFault) return error.fault;
  const limited =
    error instanceof Refusal && (error.code === 'restricted' || error.code === 'quota-exceeded');
  return limited ? { code: 'limit-quota', refusal: error.message, again: false } : undefined;
}

/** What was thrown for the step itself. What the world did, and a cancellation, is thrown on. */
export function faultOf(error: unknown, late: AbortSignal): Fault {
  const own = ownFault(error);
  if (own) return own;
  if (Context.current().cancellationSignal.aborted) throw error;
  if (late.aborted) return { code: 'timeout', refusal: 'There was no answer in time.', again: true };
  if (error instanceof Refusal) {
    if (error.code === 'unavailable') throw error;
    return { code: 'refused', refusal: error.message, again: false };
  }
  return { code: 'failed', refusal: sayable(error), again: true };
}

/** Ends with the step's own time or with the activity, whichever is first. */
export function patience(seconds: number): { signal: AbortSignal; late: AbortSignal } {
  const late = AbortSignal.timeout(seconds * 1_000);
  return { late, signal: AbortSignal.any([late, Context.current().cancellationSignal]) };
}

const outputBytesMax = 1024 * 1024;

/** What a step leaves for later ones has to stay small enough to be read with them. */
export function insistSmall(output: unknown): void {
  if (Buffer.byteLength(JSON.stringify(output ?? null)) > outputBytesMax)
    throw new StepFault('limit-size', 'What came out is larger than 1 MB; have less of it returned.');
}

/** Where a step stands in its attempts: the last one that fails is told as the step's failure. */
export type Trying = RunStep & { path: string; attempt: number; attempts: number };

/** Writes down what went wrong; the row of a step that is to be tried again says so until it is. */
export async function failStep(trying: Trying, fault: Fault): Promise<Outcome> {
  const { path, attempt, attempts } = trying;
  const { code, refusal } = fault;
  const again = fault.again && attempt < attempts;
  await inRun(trying, async ({ sql, keyring, run }) => {
    await endStep(sql, keyring, run.id, { path, state: 'failed', code, refusal });
    await changeRun(sql, keyring, run, {
      events: [{ kind: again ? 'step.retrying' : 'step.failed', path, data: { code, refusal, attempt } }],
    });
  });
  return { state: 'failed', code, ...(again && { again }) };
}

/** What is settled is never done again: how a repeated attempt, a new round and a fresh history all find their place. */
export async function settledBefore({ sql, keyring, run }: Held, path: string): Promise<StepRow | undefined> {
  const row = (await stepsAt(sql, keyring, run.id, [path])).get(path);
  return row?.state === 'done' || row?.state === 'skipped' ? row : undefined;
}

/** For a step that cannot even begin: its row and the run say why, in the transaction that found out. */
export async function refuseToBegin(
  { sql, keyring, run }: Held,
  step: Beginning,
  error: unknown,
): Promise<Outcome> {
  const fault = ownFault(error);
  if (!fault) throw error;
  const { code, refusal } = fault;
  const { path } = step;
  await beginStep(sql, keyring, run.id, step);
  await endStep(sql, keyring, run.id, { path, state: 'failed', code, refusal });
  await changeRun(sql, keyring, run, { events: [{ kind: 'step.failed', path, data: { code, refusal } }] });
  return { state: 'failed', code };
}

/** The step and the run as under way; a step counts once, however often a lost worker has it begun again. */
export async function enter(held: Held, step: Beginning, counts: boolean): Promise<Begun> {
  const { sql, keyring, run } = held;
  const begun = await beginStep(sql, keyring, run.id, step);
  const { path, kind } = step;
  if (counts && begun.fresh) {
    await meterStep(sql, run, { ...step, attempts: begun.attempts });
    held.told.usage = true;
  }
  await changeRun(sql, keyring, run, {
    state: step.state ?? 'running',
    steps: counts && begun.fresh ? 1 : 0,
    events: begun.fresh ? [{ kind: 'step.started', path, data: { kind, attempt: begun.attempts } }] : [],
  });
  return begun;
}

export async function finish({ sql, keyring, run }: Held, path: string, output: unknown): Promise<Outcome> {
  await endStep(sql, keyring, run.id, { path, state: 'done', output });
  await changeRun(sql, keyring, run, { events: [{ kind: 'step.done', path, data: { output } }] });
  return { state: 'done' };
}
