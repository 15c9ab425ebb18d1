import type { EndState, RunStepKind } from '../../policies/run.ts';
import type { RunBudget } from '../../policies/run-budget.ts';
import type { Sql } from '../scope.ts';
import { insistIn, reserveIn, type Wanted } from './quota-ledger.ts';
import { seemsToFit } from './quota-look.ts';
import { budgetId, parentFor, wantedFor } from './run-budget.ts';
import { type RunUser, runUser, type Using } from './run-use.ts';
import { noteUsage } from './usage.ts';

/**
 * What runs use beside tokens, noted in the transaction of the act itself. What is limited before the act is reserved in
 * that transaction too, so it is held exactly if the act is; the note that settles it is certain to come.
 */
const untilCountedSeconds = 30 * 86_400;

/** `budget`: what this round is to hold for all it does. */
type Round = Using & { round: number; budget?: RunBudget | null | undefined };

const roundWanted = [
  { meter: 'runs', amount: 1 },
  { meter: 'runs.concurrent', amount: 1 },
] as const;

/** A round that is about to begin: the first one, or a retry. */
export type BegunRound = { by: RunUser; id: string; budget: { id: string; wanted: Wanted[] } | undefined };

/** Notes it, which locks nothing; it is held by `holdRound`, or the transaction has to be rolled back. */
export async function noteRound(sql: Sql, run: Round): Promise<BegunRound> {
  const by = await runUser(sql, run);
  const id = `run/${run.id}/${run.round}`;
  const note = { ...by, value: 1, reservationId: id };
  await noteUsage(sql, [
    { ...note, id, meter: 'runs' },
    { ...note, id: `${id}/begins`, meter: 'runs.concurrent' },
  ]);
  return { by, id, budget: run.budget ? { id: budgetId(run), wanted: wantedFor(run.budget) } : undefined };
}

/** Whether it seems to fit; only `holdRound` knows. */
export const roundSeemsToFit = (sql: Sql, { by, budget }: BegunRound): Promise<boolean> =>
  seemsToFit(sql, by, [...roundWanted, ...(budget?.wanted ?? [])]);

/** Call it last, for it locks what everybody wants. */
export async function holdRound(sql: Sql, { by, id, budget }: BegunRound): Promise<void> {
  const seconds = untilCountedSeconds;
  if (!budget) return void (await reserveIn(sql, { ...by, id, seconds }, roundWanted));
  await insistIn(sql, [
    { holding: { ...by, id, seconds }, wanted: roundWanted },
    { holding: { ...by, id: budget.id, seconds, kept: true }, wanted: budget.wanted },
  ]);
}

export async function meterEnd(sql: Sql, run: Round, state: EndState): Promise<void> {
  const by = await runUser(sql, run);
  const id = `run/${run.id}/${run.round}`;
  await noteUsage(sql, [
    { ...by, id: `${id}/ended`, meter: 'runs.ended', value: 1, kind: state },
    { ...by, id: `${id}/ends`, meter: 'runs.concurrent', value: -1 },
  ]);
}

type BegunStep = { path: string; kind: RunStepKind; agentId?: string | undefined; attempts: number };

/** A step that begins; each of its attempts is one, and an attempt that another worker goes on with is the same. */
export async function meterStep(sql: Sql, run: Round, step: BegunStep): Promise<void> {
  const { path, kind, agentId, attempts } = step;
  const by = await runUser(sql, run, agentId);
  const id = `step/${run.id}/${path}/${attempts}`;
  const note = { ...by, id, meter: 'steps', value: 1, kind } as const;
  const parentId = parentFor(run, 'steps');
  if (parentId === undefined) return noteUsage(sql, [note]);
  await reserveIn(sql, { ...by, id, seconds: untilCountedSeconds, parentId }, [
    { meter: 'steps', amount: 1 },
  ]);
  await noteUsage(sql, [{ ...note, reservationId: id }]);
}

/** A tool that is about to be called; refused when no call is left. */
export async function meterToolCall(
  sql: Sql,
  run: Using,
  step: Omit<BegunStep, 'kind'>,
  kind: 'integration' | 'memory',
): Promise<void> {
  const { path, agentId, attempts } = step;
  const by = await runUser(sql, run, agentId);
  const id = `tool/${run.id}/${path}/${attempts}`;
  await reserveIn(sql, { ...by, id, seconds: untilCountedSeconds }, [{ meter: 'tool-calls', amount: 1 }]);
  await noteUsage(sql, [{ ...by, id, meter: 'tool-calls', value: 1, kind, reservationId: id }]);
}
