import type { Answer } from './route.ts';

/** How a write ends: done, taken back because it was a dry run, or refused. */

/** A dry run goes through the whole act and is then taken back by the database itself. */
export class RollBack extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super('dry run');
    this.answer = answer;
  }
}

/** `keep` stores what was thrown for whoever asks again with the same Idempotency-Key. */
export async function settled(
  act: () => Promise<Answer>,
  keep: (thrown: unknown) => Promise<void>,
): Promise<Answer> {
  try {
    return await act();
  } catch (thrown) {
    if (thrown instanceof RollBack) return thrown.answer;
    await keep(thrown);
    throw thrown;
  }
}
