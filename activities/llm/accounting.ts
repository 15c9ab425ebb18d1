import type { Sql } from '../../models/scope.ts';
import {
  countTokens,
  type EndedCall,
  reserveTokens,
  type TokenHolder,
} from '../../models/tenant/token-use.ts';
import type { TokenBound } from '../../policies/token-bound.ts';
import type { Borrower } from './lease.ts';

/**
 * Who keeps the accounts of a call: asked in the transaction that lets it happen, and told in the one that closes its
 * row. Calls of runs have their own (activities/run/turn-tokens.ts); of all others this one knows enough.
 */
export type Accounting = {
  /** Throws what refuses the call; answers how many tokens it may write. It is over after so many seconds. */
  reserve(sql: Sql, bound: TokenBound, call: { seq: string; seconds: number }): Promise<number>;
  settle(sql: Sql, ended: EndedCall): Promise<void>;
};

export function plainAccounting({ principalId, agentId, runId, purpose }: Borrower): Accounting {
  const holder = (seq: string): TokenHolder => ({
    reservationId: `llm-use/${seq}`,
    agentId,
    runId,
    kind: purpose,
    ...(principalId.startsWith('key_') ? { keyId: principalId } : { userId: principalId }),
  });
  return {
    reserve: (sql, bound, { seq, seconds }) => reserveTokens(sql, holder(seq), bound, seconds),
    settle: (sql, ended) => countTokens(sql, holder(ended.seq), ended),
  };
}
