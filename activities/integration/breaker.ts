import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { inTenant, type Place } from '../../models/scope.ts';
import { noteBreaker } from '../../models/tenant/integration-state.ts';
import { log } from '../../telemetry.ts';
import { EgressFailure } from '../egress/failure.ts';

/**
 * One breaker for each tenant and integration, so that what hangs for one hangs for nobody else: after five failures in a
 * row nothing is tried for half a minute, then one call decides. Each worker has its own; the row shows what the last one
 * to change found.
 */
const failuresMax = 5;
export const openForMs = 30_000;

const breakers = new LRUCache<string, CircuitBreakerPolicy>({ max: 5_000 });

const words = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
} as const;

/** Said instead of calling; whoever retries does so later. */
export class BreakerOpen extends Error {
  constructor(cause: unknown) {
    super('this integration has failed several times in a row and is left alone for a moment', { cause });
    this.name = 'BreakerOpen';
  }
}

/** Only failures of the other side count: a refusal says nothing of whether it works. */
export async function throughBreaker<T>(place: Place, id: string, act: () => Promise<T>): Promise<T> {
  try {
    return await breakerOf(place, id).execute(act);
  } catch (thrown) {
    throw thrown instanceof BrokenCircuitError ? new BreakerOpen(thrown) : thrown;
  }
}

function breakerOf(place: Place, id: string): CircuitBreakerPolicy {
  const key = `${place.tenantId}/${id}`;
  const known = breakers.get(key);
  if (known) return known;
  const made = circuitBreaker(
    handleWhen((error) => error instanceof EgressFailure),
    { halfOpenAfter: openForMs, breaker: new ConsecutiveBreaker(failuresMax) },
  );
  made.onStateChange((state) => {
    inTenant(place, ({ sql }) => noteBreaker(sql, id, words[state])).catch((error: unknown) => {
      log.warn(
        { tenantId: place.tenantId, integration: id, error: String(error) },
        'a breaker was not noted',
      );
    });
  });
  breakers.set(key, made);
  return made;
}
