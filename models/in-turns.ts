import { setImmediate as pass } from 'node:timers/promises';
import { Refusal } from '../policies/refusal.ts';
import { FairGate } from './fair-gate.ts';

/**
 * What takes a process seconds of thought, in short turns: whoever else asks something meanwhile waits for one turn, and
 * several who think at once take theirs in fair order.
 */
const turnMs = 20;
const thinking = new FairGate({
  ...{ places: 1, shareOf: () => 1, waitingMax: 10, patienceMs: 20_000 },
  refusal: () =>
    new Refusal('rate-limited', 'Too many of these are under way already; ask for fewer at once.', {
      retryAfterSeconds: 5,
    }),
});

const atOnce = new FairGate({
  ...{ places: 100, shareOf: () => 1, waitingMax: 0, patienceMs: 0 },
  refusal: () =>
    new Refusal('rate-limited', 'One of these is under way already for your organisation; wait for it.', {
      retryAfterSeconds: 5,
    }),
});

/** One for each tenant: what it reads is much, and is kept until it is thought through. */
export async function oneAtOnce<T>(tenantId: string, act: () => Promise<T>): Promise<T> {
  const end = await atOnce.enter(tenantId);
  try {
    return await act();
  } finally {
    end();
  }
}

export async function inTurns<T>(tenantId: string, steps: Iterator<undefined, T>): Promise<T> {
  for (;;) {
    const end = await thinking.enter(tenantId);
    try {
      const until = performance.now() + turnMs;
      while (performance.now() < until) {
        const { done, value } = steps.next();
        if (done) return value;
      }
      // Before the next one of these begins, so that everybody else is served in between.
      await pass();
    } finally {
      end();
    }
  }
}
