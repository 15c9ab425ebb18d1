import { Refusal } from '../policies/refusal.ts';
import { TemporalUnavailable } from '../temporal/client.ts';

/** What cannot reach Temporal is not done at all: the transaction it is asked in is rolled back. */
export async function steered<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof TemporalUnavailable)) throw cause;
    throw new Refusal('unavailable', 'Temporal does not answer right now; try again shortly.', {
      cause,
      retryAfterSeconds: 5,
    });
  }
}
