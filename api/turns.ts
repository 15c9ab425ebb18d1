import { FairGate } from '../models/fair-gate.ts';
import { weightOf } from '../models/weights.ts';
import { Refusal } from '../policies/refusal.ts';

/**
 * How many requests of known tenants a process carries out at once, and of one tenant: enough to keep the process and its
 * databases busy, and no more, for whoever comes next waits for what all of them have still to be done; fewer while others
 * ask as well. Whoever comes when all are under way waits, in fair order, and is refused when too many of the same tenant
 * wait already, or for too long. Refusing is per process, so another may have room.
 */
const atOnce = 24;
const mostOfOne = 16;
/** The fewer, the less the others notice: they wait for no more than what these have still to be done. */
const mostInCrowd = 4;
const waitingMax = 1_000;
// As long as anybody waits for an answer over HTTP.
const patienceMs = 20_000;
const shareOf = (tenantId: string, crowded: boolean) =>
  crowded
    ? Math.floor(mostInCrowd + weightOf(tenantId) / 4)
    : Math.min(mostOfOne, Math.floor(8 + weightOf(tenantId) / 2));

const refusal = () => {
  const detail =
    'As many requests of your organisation are under way here as may be, and too many wait already; send fewer at once.';
  return new Refusal('rate-limited', detail, { retryAfterSeconds: 1 });
};
const working = new FairGate({ places: atOnce, shareOf, waitingMax, patienceMs, refusal });

/** Those that ask to be told when something changes do nothing meanwhile, so they have places of their own. */
const pollsOfOne = 200;
const polling = new FairGate({
  places: 5_000,
  shareOf: () => pollsOfOne,
  waitingMax: 0,
  patienceMs,
  refusal: () =>
    new Refusal('rate-limited', `${pollsOfOne} requests wait for changes already; wait for fewer at once.`, {
      retryAfterSeconds: 5,
    }),
});

/** Resolves, when it is this tenant's turn, with what ends it. */
export async function takeTurn(tenantId: string, { waits }: { waits: boolean }): Promise<() => void> {
  return (waits ? polling : working).enter(tenantId);
}

/** Answers of many thousand numbers are put together in one go each: of one tenant there is one under way. */
const large = new FairGate({
  ...{ places: 8, shareOf: () => 1, waitingMax: 50, patienceMs },
  refusal: () =>
    new Refusal('rate-limited', 'Answers as large as this are made one after the other, and too many wait.', {
      retryAfterSeconds: 5,
    }),
});

export async function inLargeTurn<T>(tenantId: string, act: () => Promise<T>): Promise<T> {
  const end = await large.enter(tenantId);
  try {
    return await act();
  } finally {
    end();
  }
}
