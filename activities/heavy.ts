import {
  type HeavyWork,
  leaseSeconds,
  type Permit,
  releasePermit,
  renewPermit,
  takePermit,
} from '../models/heavy-permit.ts';
import { log } from '../telemetry.ts';
import { comeAgain } from '../temporal/come-again.ts';

/**
 * Work that keeps a database busy for long. It is done with a permit of the region; without one the attempt ends at
 * once, which is no failure, and comes again a little later: no slot of a worker waits for another.
 */
export const permitsTakenType = 'permits-taken';
const [againAfterMs, spreadMs] = [2_000, 3_000];
const renewEveryMs = (leaseSeconds * 1_000) / 3;

/** `insist` throws once the permit may be somebody else's; asked before each stretch that has an effect. */
export async function heavily<T>(asked: HeavyWork, act: (insist: () => void) => Promise<T>): Promise<T> {
  const permit = await takePermit(asked);
  if (!permit) throw later('All permits for heavy work in this region, or that of this tenant, are taken.');
  const holding = hold(permit);
  try {
    return await act(holding.insist);
  } finally {
    holding.end();
    await releasePermit(permit).catch((error: unknown) => {
      log.warn({ ...asked, error: String(error) }, 'a permit was not given back; it expires');
    });
  }
}

function hold(permit: Permit): { insist: () => void; end: () => void } {
  // By our own clock, from before it was asked: nobody else thinks it free any sooner.
  let until = performance.now() + leaseSeconds * 1_000 - renewEveryMs;
  const renew = async () => {
    const asked = performance.now();
    try {
      if (await renewPermit(permit)) until = asked + leaseSeconds * 1_000;
      else until = 0;
    } catch (error) {
      log.warn({ ...permit, error: String(error) }, 'a permit for heavy work could not be renewed');
    }
  };
  const renewing = setInterval(() => void renew(), renewEveryMs).unref();
  return {
    insist: () => {
      if (performance.now() > until) throw later('The permit for heavy work was lost.');
    },
    end: () => clearInterval(renewing),
  };
}

const later = (message: string) =>
  comeAgain(permitsTakenType, message, againAfterMs + Math.random() * spreadMs);
