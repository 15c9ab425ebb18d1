import type { Sql } from '../../models/scope.ts';
import { changeRun, type HeldRun } from '../../models/tenant/held-run.ts';
import { answeredApprovals, withdrawApprovals } from '../../models/tenant/run-approval.ts';
import { releaseBudget } from '../../models/tenant/run-budget.ts';
import type { RunEvent } from '../../models/tenant/run-event.ts';
import { holderOf } from '../../models/tenant/run-hold.ts';
import { meterEnd } from '../../models/tenant/run-metering.ts';
import { type ClearStep, clearSteps, stepsAt } from '../../models/tenant/run-step.ts';
import {
  type EndState,
  isRunEnded,
  type RunEnding,
  type RunRefusal,
  type RunState,
} from '../../policies/run.ts';
import { type Outcome, type Outline, outlineOf, rootWorkflow } from '../../policies/run-plan.ts';
import { activity } from '../activity.ts';
import { type Held, inRun, insistSmall, type RunStep, StepFault, standsStill } from './frame.ts';
import { outputOfWorkflow } from './output.ts';
import { tell } from './telling.ts';

/** How a run begins, looks up what is wanted of it, and ends. */
export type Opened = {
  outline: Outline;
  settled: Record<string, Outcome>;
  progress: Record<string, number>;
  answered: string[];
  number: number;
  minutes: number;
  held: boolean;
};

export const openRun = activity(['start', 'Run'], (input: RunStep & { round: number }) =>
  inRun(input, async ({ sql, keyring, run, carried, told }): Promise<Opened> => {
    // Whoever asked for this round noted it.
    told.usage = true;
    const held = standsStill(run);
    if (!held) await changeRun(sql, keyring, run, { state: 'running' });
    else if (run.restricted) await changeRun(sql, keyring, run, { events: [await waiting(sql, run)] });
    const rows = await clearSteps(sql, run.id);
    return {
      outline: outlineOf(carried.plan),
      settled: settledOf(rows),
      progress: Object.fromEntries(
        rows.filter((row) => row.progress > 0).map((row) => [row.path, row.progress]),
      ),
      answered: await answeredApprovals(sql, run.id),
      number: rows.reduce((most, row) => Math.max(most, row.number), 0),
      minutes: run.limits.minutes,
      held,
    };
  }),
);

/** Its state stays; that it waits, and for what, is what whoever watches it would miss. */
async function waiting(sql: Sql, { id, state }: HeldRun): Promise<RunEvent> {
  return { kind: 'run.state', data: { state, heldBy: await holderOf(sql, id) } };
}

/** Of what is inside something settled nobody will ask; of the rest, what is over need not be asked for again. */
function settledOf(rows: ClearStep[]): Record<string, Outcome> {
  const over = rows.filter(({ state }) => state === 'done' || state === 'skipped');
  const paths = new Set(over.map(({ path }) => path));
  // An agent's turns are asked again, for only they say what they called; they answer from the ledger.
  const worth = over.filter(
    ({ path, kind }) => kind !== 'turn' && !outer(path).some((each) => paths.has(each)),
  );
  return Object.fromEntries(
    worth.map(({ path, state }) => [path, state === 'skipped' ? { state } : { state: 'done' as const }]),
  );
}

/** Everything a path stands in. */
function outer(path: string): string[] {
  const ends = [...path.matchAll(/[[/#]/g)].map((match) => match.index);
  return ends.map((end) => path.slice(0, end));
}

/** `idle`: nothing is under way just now. `rests`: because people are waited for. */
export type Looking = RunStep & { idle: boolean; rests: boolean };
export type Looked = { state: RunState; held: boolean; cancelled: boolean; answered: string[] };

/** What people want of it stands in its row; whoever told it to look may still be about to commit, and is waited for. */
export const lookAtRun = activity(['read', 'Run'], (input: Looking) =>
  inRun(input, async ({ sql, keyring, run }): Promise<Looked> => {
    const held = standsStill(run);
    const state = restingState(run, input);
    await changeRun(sql, keyring, run, {
      state,
      heldBy: run.restricted ? await holderOf(sql, run.id) : null,
    });
    return {
      state,
      held,
      cancelled: run.wanted === 'cancelled',
      answered: await answeredApprovals(sql, run.id),
    };
  }),
);

function restingState(run: HeldRun, { idle, rests }: Looking): RunState {
  if (waitsToBegin(run)) return 'queued';
  if (standsStill(run)) return idle ? 'paused' : run.state;
  if (rests && idle) return 'waiting';
  return 'running';
}

/** Its turn to begin has not come; nobody has paused it. */
const waitsToBegin = ({ begun, state, restricted, wanted, tenant_state: tenant }: HeldRun): boolean =>
  (!begun || state === 'queued') && restricted && wanted === 'running' && tenant === 'active';

/** An attempt of an earlier round that was thought lost closes nothing. */
export const closeRun = activity(
  ['cancel', 'Run'],
  ({ ending, round, ...step }: RunStep & { ending: RunEnding; round: number }): Promise<void> =>
    inRun(step, async (held) => (held.run.round === round ? ended(held, ending) : undefined), {
      evenEnded: true,
    }),
);

async function ended(held: Held, ending: RunEnding): Promise<void> {
  const { sql, keyring, run, carried } = held;
  // By the attempt before, whose reply was lost.
  if (isRunEnded(run.state)) return;
  await withdrawApprovals(sql, run.id);
  if (ending.state === 'succeeded') {
    const done = await outputOf(() =>
      outputOfWorkflow(held, rootWorkflow(carried.plan), { prefix: '', within: undefined }),
    );
    await changeRun(sql, keyring, run, done);
    return tellEnd(held, done.state, done.refusal?.code);
  }
  const { state, code = 'failed', path } = ending;
  const row = path === undefined ? undefined : (await stepsAt(sql, keyring, run.id, [path])).get(path);
  const detail = row?.refusal ? `${path}: ${row.refusal}` : (sentences[code] ?? 'The run did not succeed.');
  await changeRun(sql, keyring, run, { state, refusal: { code, detail } });
  return tellEnd(held, state, code);
}

async function tellEnd(held: Held, state: EndState, code: RunRefusal | null = null): Promise<void> {
  await meterEnd(held.sql, held.run, state);
  await releaseBudget(held.sql, held.run);
  held.told.usage = true;
  await tell(held, 'run.finished', { state, code });
}

const sentences: Partial<Record<string, string>> = {
  'limit-minutes': 'The run has worked for as many minutes as it may.',
  forbidden: 'Whoever started the run may no longer do so.',
  cancelled: 'Stopped on request.',
};

async function outputOf(act: () => Promise<unknown>) {
  try {
    const output = await act();
    insistSmall(output);
    return { state: 'succeeded' as const, output: output ?? null, refusal: undefined };
  } catch (error) {
    if (!(error instanceof StepFault)) throw error;
    const { code, refusal } = error.fault;
    return { state: 'failed' as const, refusal: { code, detail: `output: ${refusal}` } };
  }
}
