import { outputWithin, type TokenBound } from '../../policies/token-bound.ts';
import type { Sql } from '../scope.ts';
import type { HeldRun } from './held-run.ts';
import type { EndedCall } from './token-use.ts';

/**
 * The tokens of one run, kept within its own limit and its agents' own: what calls under way may use at most stands in
 * their steps' rows, read and written while the run is held, so that what was used and what may yet be used are together
 * never more than the limit. What a worker held that died is taken over by the next attempt, or runs out.
 */
export type Turn = { path: string; agentPath: string; agentTokens: number };

export type Begun =
  | { output: number; reservationId: string }
  | { wait: true }
  | { refused: 'run' | 'agent' | 'budget'; used: number; limit: number };

/** With the run held. `reserve` asks whatever else limits it, and answers how long the answer may be. */
export async function beginCall(
  sql: Sql,
  run: HeldRun,
  { path, agentPath, agentTokens }: Turn,
  bound: TokenBound,
): Promise<Begun> {
  const [row] = await sql<{ calls: number; held: number; agent: number }>(
    `SELECT coalesce((SELECT model_calls FROM run_steps WHERE run_id = $1 AND path = $2), 0) AS calls,
       (SELECT coalesce(sum(tokens_reserved), 0)::float8 FROM run_steps
        WHERE run_id = $1 AND tokens_reserved > 0 AND path <> $2 AND reserved_until > clock_timestamp()) AS held,
       (SELECT coalesce(sum(tokens_input + tokens_output), 0)::float8 FROM run_steps
        WHERE run_id = $1 AND starts_with(path, $3) AND position('#' IN substr(path, length($3) + 1)) = 0) AS agent`,
    [run.id, path, `${agentPath}#`],
  );
  if (!row) throw new Error('bug: a query without a row');
  const ofLimit = run.limits.tokens - run.tokens;
  const ofRun = Math.min(ofLimit, (run.budget?.tokens ?? Number.POSITIVE_INFINITY) - run.tokens);
  const ofAgent = agentTokens - row.agent;
  // Calls of one agent come one after the other, so of its own limit nobody else holds anything.
  const spare = Math.max(0, ofRun - ofAgent);
  const left = Math.min(ofRun, ofAgent);
  const output = outputWithin({ left, held: Math.max(0, row.held - spare) }, bound);
  if (output === 'wait') return { wait: true };
  if (output === 'refuse') {
    if (ofAgent < ofRun) return { refused: 'agent', used: row.agent, limit: agentTokens };
    return {
      refused: run.budget?.tokens === undefined ? 'run' : 'budget',
      used: run.tokens,
      limit: run.limits.tokens,
    };
  }
  return { output, reservationId: `${run.id}/${path}/${row.calls}` };
}

export async function holdTokens(
  sql: Sql,
  { id }: HeldRun,
  path: string,
  tokens: number,
  seconds: number,
): Promise<void> {
  await sql(
    `UPDATE run_steps SET tokens_reserved = $3, reserved_until = clock_timestamp() + make_interval(secs => $4)
     WHERE run_id = $1 AND path = $2`,
    [id, path, tokens, seconds],
  );
}

/** In the transaction that counts them. */
export async function endCall(
  sql: Sql,
  runId: string,
  path: string,
  { tokens = { input: 0, output: 0, cached: 0, reasoning: 0 } }: Pick<EndedCall, 'tokens'>,
): Promise<void> {
  const { input, output } = tokens;
  await sql(
    'UPDATE runs SET tokens_input = tokens_input + $2, tokens_output = tokens_output + $3 WHERE id = $1',
    [runId, input, output],
  );
  await sql(
    `UPDATE run_steps SET tokens_input = tokens_input + $3, tokens_output = tokens_output + $4, tokens_reserved = 0,
       reserved_until = NULL, model_calls = model_calls + 1 WHERE run_id = $1 AND path = $2`,
    [runId, path, input, output],
  );
}
