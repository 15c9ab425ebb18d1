import { ModelFailure } from '../../policies/model-verdict.ts';
import type { Calling } from '../language-model.ts';
import type { Lease } from './lease.ts';

/** The provider's time is up for all of it together, whatever it does in between. */
export async function timed<T>(
  { provider }: Lease,
  { signal, secondsMax = Number.POSITIVE_INFINITY }: Calling,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const seconds = Math.min(provider.timeoutSeconds, secondsMax);
  const timer = setTimeout(() => late.abort(new ModelFailure('too-slow')), seconds * 1000);
  try {
    return await act(AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}
