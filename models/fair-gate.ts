import type { Refusal } from '../policies/refusal.ts';
import { FairQueue } from './fair-queue.ts';

/**
 * So many at once, and of one tenant no more than a share of them: whoever comes when all are taken waits in fair order
 * (models/fair-queue.ts), for a time and in a number that are bounded. The last places are never one tenant's alone, so
 * that nobody has to wait for what somebody else's slow work has taken.
 */
export type GateOptions = {
  places: number;
  /** How many of them one tenant may have; `crowded`: while others come here as well. */
  shareOf: (key: string, crowded: boolean) => number;
  /** How many of one tenant may wait. */
  waitingMax: number;
  patienceMs: number;
  /** What is said to whoever waited in vain. */
  refusal: (key: string) => Refusal;
};

type Waiting = { key: string; since: number; admit: () => void; refuse: (refusal: Refusal) => void };

const tidyMs = 250;
// Whoever came within this time is likely to come again.
const crowdMs = 1_000;

export class FairGate {
  private readonly options: GateOptions;
  private readonly inside = new Map<string, number>();
  private readonly queue = new FairQueue<Waiting>();
  private taken = 0;
  private tidying: NodeJS.Timeout | undefined;
  /** Who came last, and who did before that was another. */
  private last = { key: '', at: Number.NEGATIVE_INFINITY };
  private other = this.last;

  constructor(options: GateOptions) {
    this.options = options;
  }

  /** Resolves with what gives the place back; calling that again does nothing. */
  enter(key: string): (() => void) | Promise<() => void> {
    this.came(key);
    if (this.queue.waitingOf(key) === 0 && this.hasRoom(key)) return this.admit(key);
    const { waitingMax, refusal } = this.options;
    if (this.queue.waitingOf(key) >= waitingMax) throw refusal(key);
    this.tidying ??= setInterval(() => this.tidy(), tidyMs).unref();
    return new Promise((resolve, reject) => {
      const admit = () => resolve(this.admit(key));
      this.queue.push(key, { key, since: performance.now(), admit, refuse: reject });
    });
  }

  private came(key: string): void {
    if (this.last.key !== key) this.other = this.last;
    this.last = { key, at: performance.now() };
  }

  private hasRoom(key: string): boolean {
    const { places, shareOf } = this.options;
    const others = this.last.key === key ? this.other : this.last;
    const crowded = performance.now() - others.at < crowdMs;
    return this.taken < places && (this.inside.get(key) ?? 0) < shareOf(key, crowded);
  }

  private admit(key: string): () => void {
    this.taken += 1;
    this.inside.set(key, (this.inside.get(key) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.leave(key);
    };
  }

  private leave(key: string): void {
    this.taken -= 1;
    const still = (this.inside.get(key) ?? 1) - 1;
    if (still > 0) this.inside.set(key, still);
    else this.inside.delete(key);
    while (this.queue.size > 0) {
      const next = this.queue.take((each) => this.hasRoom(each));
      if (!next) return;
      next.admit();
    }
  }

  private tidy(): void {
    const { patienceMs, refusal } = this.options;
    const before = performance.now() - patienceMs;
    for (const { key, refuse } of this.queue.drop(({ since }) => since <= before)) refuse(refusal(key));
    if (this.queue.size > 0) return;
    clearInterval(this.tidying);
    this.tidying = undefined;
  }
}
