import { Refusal } from '../policies/refusal.ts';
import { TemporalUnavailable } from '../temporal/client.ts';

/** Steering a running workflow for a request: what cannot be done is a refusal, and a silent Temporal a 503. */
type Outcome = 'asked' | 'called-off' | 'too-late' | 'not-parked' | 'not-running';

export async function steered(asked: Promise<Outcome>): Promise<void> {
  const outcome = await asked.catch((cause: unknown) => {
    if (!(cause instanceof TemporalUnavailable)) throw cause;
    throw new Refusal('unavailable', 'Temporal does not answer right now; try again shortly.', {
      cause,
      retryAfterSeconds: 5,
    });
  });
  if (outcome === 'too-late') {
    throw new Refusal('conflict', 'The grace period is over; the deletion can no longer be called off.');
  }
  if (outcome === 'not-parked') {
    throw new Refusal('conflict', 'The operation is not parked; it goes on by itself.');
  }
  if (outcome === 'not-running') {
    throw new Refusal(
      'conflict',
      'The workflow of this operation is not running just now; read the operation and try again.',
    );
  }
}
