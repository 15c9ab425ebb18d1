import type { Dimensions, MeterName } from '../../policies/meters.ts';
import type { Tokens } from '../../policies/model-verdict.ts';
import { leastOutput, type TokenBound } from '../../policies/token-bound.ts';
import type { Sql } from '../scope.ts';
import { keepIn, releaseIn, reserveIn } from './quota-ledger.ts';
import { noteUsage } from './usage.ts';

/**
 * The tokens of a call of a model: reserved before it, as many as it can use at most, and noted when it is over, in the
 * transaction that closes its row in llm_uses. That row is closed once, so its tokens are counted once, whatever becomes
 * of the step that asked: what a provider has told of is used, also when nobody could use the answer.
 */
export type TokenHolder = Dimensions & {
  /** Of this very call: whoever takes it over from a worker that died reserves under the same. */
  reservationId: string;
  runId?: string | undefined;
  tags?: readonly string[] | undefined;
  /** Of whose budget they are taken. */
  parentId?: string | undefined;
};

/** Answers how many tokens may be written; refuses when what is left is too little. */
export async function reserveTokens(
  sql: Sql,
  { reservationId: id, ...holder }: TokenHolder,
  { input, output }: TokenBound,
  seconds: number,
): Promise<number> {
  const { amounts } = await reserveIn(sql, { ...holder, id, seconds }, [
    { meter: 'tokens.input', amount: input },
    { meter: 'tokens.output', amount: output, least: leastOutput(output) },
  ]);
  return amounts.get('tokens.output') ?? output;
}

const meterOfTokens = {
  input: 'tokens.input',
  output: 'tokens.output',
  cached: 'tokens.cached',
  reasoning: 'tokens.reasoning',
} as const satisfies Record<keyof Tokens, MeterName>;

export type EndedCall = { seq: string; model: string; tokens: Tokens | undefined };

/** Without tokens the provider did not say: then nothing is counted, and what was held is given back. */
export async function countTokens(
  sql: Sql,
  { parentId, ...holder }: TokenHolder,
  { seq, model, tokens }: EndedCall,
): Promise<void> {
  const { reservationId } = holder;
  if (!tokens) return releaseIn(sql, [reservationId]);
  await keepUntilCounted(sql, reservationId);
  // Object.keys forgets the key type; the object above is closed, so the cast only restores it.
  const kinds = (Object.keys(meterOfTokens) as (keyof Tokens)[]).filter(
    (kind) => kind === 'input' || tokens[kind] > 0,
  );
  await noteUsage(
    sql,
    kinds.map((kind) => ({
      ...holder,
      id: `llm-use/${seq}/${kind}`,
      meter: meterOfTokens[kind],
      value: tokens[kind],
      model,
    })),
  );
  // What else is part of the budget may have the rest at once; a limit of the organisation's can wait for the meter.
  if (parentId !== undefined) await keepIn(sql, reservationId, usedOf(tokens));
}

const usedOf = ({ input, output }: Tokens) =>
  new Map([
    ['tokens.input' as const, input],
    ['tokens.output' as const, output],
  ]);

/** What it used stands in the outbox: what it holds is not free before that is counted, however long that takes. */
async function keepUntilCounted(sql: Sql, id: string): Promise<void> {
  await sql(
    "UPDATE quota_reservations SET expires_at = now() + interval '30 days' WHERE id = $1 AND state = 'held'",
    [id],
  );
}
