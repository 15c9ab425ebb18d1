import { setTimeout as pause } from 'node:timers/promises';

/**
 * Whether Temporal answers, so that an outage costs each request nothing instead of its whole patience. A call that
 * got no answer raises the suspicion; one probe then asks in the background. Calls that arrive meanwhile wait for its
 * first word, because a single lost answer must not refuse others. Once it has said no, calls fail at once, and the
 * probe goes on until it says yes. Circuit breakers of libraries (cockatiel, opossum) let a caller's request be the
 * probe and wait for it; that would be what this is there to avoid.
 */
const probePauseMs = 250;

export type Outlook = {
  /** Returns when there is hope; throws why there is none while it is known to be away. */
  hope(): Promise<void>;
  /** Told of a call that was not answered. */
  doubt(): void;
  close(): void;
};

export function outlook(probe: () => Promise<unknown>): Outlook {
  let known: { away: unknown } | undefined;
  let firstWord: Promise<void> | undefined;
  let closed = false;

  async function ask(): Promise<void> {
    try {
      await probe();
      known = undefined;
    } catch (error) {
      known = { away: error };
    }
  }

  async function untilBack(asked: Promise<void>): Promise<void> {
    await asked;
    while (known && !closed) {
      await pause(probePauseMs, undefined, { ref: false });
      await ask();
    }
    firstWord = undefined;
  }

  return {
    async hope() {
      if (!known) await firstWord;
      if (known) throw known.away;
    },
    doubt() {
      if (firstWord || closed) return;
      firstWord = ask();
      void untilBack(firstWord);
    },
    close() {
      closed = true;
    },
  };
}
