import { setTimeout as pause } from 'node:timers/promises';
import { type HeldRun, holdOpenRun } from '../../models/tenant/held-run.ts';
import { parentFor } from '../../models/tenant/run-budget.ts';
import { type Begun, beginCall, endCall, holdTokens, type Turn } from '../../models/tenant/run-tokens.ts';
import { type RunUser, runUser } from '../../models/tenant/run-use.ts';
import { countTokens, reserveTokens } from '../../models/tenant/token-use.ts';
import { moreBudget, spentText } from '../../policies/run-budget.ts';
import { giveWay } from '../../temporal/run-slots.ts';
import type { Accounting } from '../llm/accounting.ts';
import { StepFault } from './frame.ts';

/** Others of the same run may be using what this call would need; when they are done it is known what they left. */
class TokensHeld extends Error {}

const heldMs = 250;

/** Asks again until the tokens it would need are not held by others, within its own time. */
export async function onceTokensAreFree<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (held) {
      if (!(held instanceof TokensHeld)) throw held;
      giveWay();
      await pause(heldMs, undefined, { signal });
    }
  }
}

/** The accounts of one turn of an agent: of its run, of its own limit, and of everything that limits the organisation. */
export function turnAccounting(runId: string, agentId: string, turn: Turn): Accounting {
  let by: (RunUser & { reservationId: string; parentId: string | undefined }) | undefined;
  return {
    async reserve(sql, bound, { seconds }) {
      const run = await holdOpenRun(sql, runId);
      const begun = await beginCall(sql, run, turn, bound);
      if ('wait' in begun) throw new TokensHeld();
      if ('refused' in begun) throw overLimit(run, begun, bound.input);
      const { output, reservationId } = begun;
      by = { ...(await runUser(sql, run, agentId)), reservationId, parentId: parentFor(run, 'tokens') };
      const granted = await reserveTokens(sql, by, { ...bound, output }, seconds);
      await holdTokens(sql, run, turn.path, bound.input + granted, seconds);
      return granted;
    },
    async settle(sql, ended) {
      if (!by) throw new Error('bug: a call ends that never began');
      await endCall(sql, runId, turn.path, ended);
      await countTokens(sql, by, ended);
    },
  };
}

type Over = Extract<Begun, { refused: unknown }>;

function overLimit(run: HeldRun, { refused, used, limit }: Over, input: number): StepFault {
  if (refused === 'budget')
    return new StepFault(
      'limit-budget',
      `${spentText('tokens', run)} What is to be asked next may take up to ${input} more, without the answer. ${moreBudget(run.id)}`,
    );
  const whose = refused === 'run' ? 'The run' : 'This agent';
  return new StepFault(
    'limit-tokens',
    `${whose} may use ${limit} tokens, and has used ${used}; what is to be asked next may take up to ${input} more, without the answer.`,
  );
}
