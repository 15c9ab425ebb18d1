import { namesIn, type RunBudget } from '../../policies/run-budget.ts';
import type { Sql } from '../scope.ts';
import { releaseIn, type Wanted } from './quota-ledger.ts';

/**
 * A run's budget in the ledger: one reservation for each of its rounds, of which everything the round does takes, in
 * sub-workflows and by agents it hands over to as well. It ends in the transaction that ends the round.
 */
type Round = { id: string; round: number; budget?: RunBudget | null | undefined };

export const budgetId = ({ id, round }: Round): string => `budget/${id}/${round}`;

export const wantedFor = (budget: RunBudget): Wanted[] =>
  namesIn(budget).map((meter) => ({ meter, amount: budget[meter] ?? 0 }));

/** Of whose budget a use is part; undefined where none is for what it uses. */
export const parentFor = (run: Round, name: keyof RunBudget): string | undefined =>
  run.budget?.[name] === undefined ? undefined : budgetId(run);

export async function releaseBudget(sql: Sql, run: Round): Promise<void> {
  if (run.budget) await releaseIn(sql, [budgetId(run)]);
}

/** For a new round that may use more. */
export async function changeBudget(sql: Sql, runId: string, budget: RunBudget): Promise<void> {
  await sql('UPDATE runs SET budget = $2::jsonb WHERE id = $1', [runId, JSON.stringify(budget)]);
}
