import { LRUCache } from 'lru-cache';
import type { RateLimit } from '../policies/request-rate.ts';
import { log } from '../telemetry.ts';
import { type Lease, leaseRates, type Wanted } from './rate-lease.ts';

/**
 * What this process holds of each limit on requests. A request takes one of each limit it is under, out of memory; the
 * next portion is fetched while there is some left, so that only the first request of a minute waits for it. A portion
 * is what was used in the last second or two. Where the portions come from cannot be asked: half of the rate, in each
 * process by itself, for some seconds; it fails open.
 */
export type Standing = { limit: RateLimit; left: number; endsInMs: number };
export type Taken = { taken: boolean; nearest: Standing };

const portionMin = 4;
const [shortMs, longMs] = [1_000, 4_000];
const patienceMs = 2_000;
const awayMs = 5_000;
const shareAway = 0.5;

type Counter = {
  perMinute: number;
  /** Handed out to this process and not used. */
  held: number;
  /** Not handed out to anybody, as of the last answer. */
  left: number;
  endsAt: number;
  portion: number;
  portionAt: number;
  /** Requests that wait for the answer under way. */
  waiting: number;
  asking?: Promise<void> | undefined;
};

const counters = new LRUCache<string, Counter>({ max: 50_000 });

function counterOf({ counter, perMinute }: RateLimit): Counter {
  const known = counters.get(counter);
  if (known?.perMinute === perMinute) return known;
  const made: Counter = { perMinute, held: 0, left: 1, endsAt: 0, portion: 0, portionAt: 0, waiting: 0 };
  counters.set(counter, made);
  return made;
}

const isOver = (counter: Counter) => counter.endsAt <= performance.now();
const isSpent = (counter: Counter) => !isOver(counter) && counter.held + counter.left <= 0;

/** Takes one of each, or of none if one of them is used up. */
export async function takeOne(cell: string, limits: RateLimit[]): Promise<Taken> {
  for (;;) {
    const under = limits.map((limit) => ({ limit, counter: counterOf(limit) }));
    const spent = under.find(({ counter }) => isSpent(counter));
    if (spent) return { taken: false, nearest: standing(spent) };
    const lacking = under.filter(({ counter }) => counter.held <= 0 || isOver(counter));
    if (lacking.length === 0) {
      for (const { counter } of under) counter.held -= 1;
      const low = under.filter(({ counter }) => isLow(counter));
      // Nobody waits for this one; what goes wrong with it is dealt with where it is fetched.
      if (low.length > 0) void refill(cell, low);
      const standings = under.map(standing);
      return { taken: true, nearest: standings.reduce((a, b) => (b.left < a.left ? b : a)) };
    }
    for (const { counter } of lacking) counter.waiting += 1;
    await refill(cell, lacking);
    for (const { counter } of lacking) counter.waiting -= 1;
  }
}

/** Which of the limits is known to be used up, without asking anybody. */
export function spentOf(limits: RateLimit[]): Standing | undefined {
  const under = limits.map((limit) => ({ limit, counter: counterOf(limit) }));
  const spent = under.find(({ counter }) => isSpent(counter));
  return spent && standing(spent);
}

type Under = { limit: RateLimit; counter: Counter };

function standing({ limit, counter: { held, left, endsAt } }: Under): Standing {
  return { limit, left: Math.max(0, held + left), endsInMs: Math.max(0, endsAt - performance.now()) };
}

const isLow = ({ held, left, portion }: Counter) => left > 0 && held <= portion / 2;

async function refill(cell: string, under: Under[]): Promise<void> {
  const unasked = under.filter(({ counter }) => !counter.asking);
  if (unasked.length > 0) {
    const asking = ask(cell, unasked).finally(() => {
      for (const { counter } of unasked) counter.asking = undefined;
    });
    for (const { counter } of unasked) counter.asking = asking;
  }
  await Promise.all(under.map(({ counter }) => counter.asking));
}

async function ask(cell: string, under: Under[]): Promise<void> {
  const sentAt = performance.now();
  const wanted = under.map(({ limit, counter }): Wanted => {
    const amount = Math.min(Math.max(nextPortion(counter, sentAt), counter.waiting), limit.perMinute);
    return { ...limit, amount };
  });
  const leases = await Promise.race([leaseRates(cell, wanted), tooLate()]).catch((error: unknown) => {
    log.warn({ cell, error: String(error) }, 'request rates could not be asked for; counted by itself');
    return undefined;
  });
  for (const { limit, counter } of under) {
    const lease = leases?.get(limit.counter) ?? alone(limit);
    receive(counter, lease, sentAt);
  }
}

/** Twice as much if the last one was used up at once, half if it lasted. */
function nextPortion({ portion, portionAt }: Counter, now: number): number {
  const lasted = now - portionAt;
  if (portion === 0) return portionMin;
  if (lasted < shortMs) return portion * 2;
  return lasted > longMs ? Math.max(portionMin, Math.ceil(portion / 2)) : portion;
}

function receive(counter: Counter, { granted, left, endsInMs }: Lease, sentAt: number): void {
  // From before it was asked, so that nothing of one minute is ever used in the next.
  const endsAt = sentAt + endsInMs;
  const sameMinute = Math.abs(endsAt - counter.endsAt) < longMs && !isOver(counter);
  counter.held = (sameMinute ? counter.held : 0) + granted;
  counter.left = left;
  counter.endsAt = endsAt;
  counter.portion = Math.max(granted, 1);
  counter.portionAt = sentAt;
}

function alone({ perMinute }: RateLimit): Lease {
  const granted = Math.max(1, Math.floor((perMinute * shareAway * awayMs) / 60_000));
  return { granted, left: 0, endsInMs: awayMs };
}

function tooLate(): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${patienceMs} ms`)), patienceMs).unref();
  });
}
