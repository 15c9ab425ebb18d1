import { AsyncLocalStorage } from 'node:async_hooks';
import { availableParallelism } from 'node:os';
import type { Info } from '@temporalio/activity';
import type {
  ActivityInterceptors,
  ActivitySlotInfo,
  CustomSlotSupplier,
  SlotPermit,
  TunerHolder,
} from '@temporalio/worker';
import { comeAgain } from './come-again.ts';

/**
 * How many activities of runs a worker takes from its queue. Tenants take turns in that queue and nowhere after it, so what
 * is taken is what the next tenant waits for: no more than keeps the processors busy. What waits for a model, a tool or a lock
 * keeps nothing busy; it gives its place to the next and counts no longer, up to a number that memory bears.
 */
export const placesInHand = Math.max(2, availableParallelism());
/** Over the hundred runs that a tenant may have under way unless it says otherwise. */
const takenMax = 256;
/** Whose activities waited for something in this many places comes again after so long, and each time later. */
const placesTakenType = 'places-taken';
const [againAfterMs, againMaxMs] = [1_000, 30_000];
/** Many times what an activity takes by itself: whoever is not done by then is kept waiting by something. */
const promptMs = 250;

export class RunSlots implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom';
  readonly tuner: TunerHolder = {
    // As many as when nothing is said.
    workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 40 },
    activityTaskSlotSupplier: this,
    localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
    nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
  };
  private taken = 0;
  private aside = 0;
  private readonly asideOf = new Map<string, number>();
  private readonly waiting = new Set<() => void>();

  async reserveSlot(_: unknown, signal: AbortSignal): Promise<SlotPermit> {
    signal.throwIfAborted();
    if (this.hasRoom()) return this.take();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      this.waiting.delete(resolve);
      reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    this.waiting.add(resolve);
    await promise;
    signal.removeEventListener('abort', giveUp);
    return {};
  }

  /** Asked when an activity could begin without going through the queue, out of turn. */
  tryReserveSlot(): null {
    return null;
  }

  markSlotUsed(): void {}

  releaseSlot(): void {
    this.taken -= 1;
    this.admitNext();
  }

  /** Around every activity of this worker; what it does within may give way. */
  readonly around = ({ info }: { info: Pick<Info, 'attempt' | 'priority'> }): ActivityInterceptors => ({
    inbound: {
      execute: async (input, next) => {
        // Tenants are told apart as Temporal tells them apart.
        const whose = info.priority?.fairnessKey ?? '';
        this.insistOnShare(whose, info.attempt);
        const own = { aside: false, over: false };
        const giveWay = () => {
          // What goes on after its activity has ended holds no place any more.
          if (own.aside || own.over) return;
          own.aside = true;
          this.putAside(whose, 1);
          this.admitNext();
        };
        const slow = setTimeout(giveWay, promptMs);
        try {
          return await execution.run({ giveWay }, () => next(input));
        } finally {
          clearTimeout(slow);
          // Until its slot is released it counts again, for a moment.
          if (own.aside) this.putAside(whose, -1);
          own.over = true;
        }
      },
    },
  });

  /**
   * One tenant's may wait in as many places as are still free: alone in half of them, two in a third each, and there is
   * always one for who comes next (Choudhury and Hahne's dynamic threshold for buffers that many share).
   */
  private insistOnShare(whose: string, attempt: number): void {
    const waiting = this.asideOf.get(whose) ?? 0;
    if (waiting <= takenMax - this.taken) return;
    const afterMs = Math.min(againAfterMs * 2 ** (attempt - 1), againMaxMs) * (0.5 + Math.random() / 2);
    throw comeAgain(
      placesTakenType,
      `${waiting} activities of this tenant wait for models, tools or locks in this worker, which is its share; this one comes again when some of them have ended.`,
      afterMs,
    );
  }

  private putAside(whose: string, by: 1 | -1): void {
    this.aside += by;
    const left = (this.asideOf.get(whose) ?? 0) + by;
    if (left > 0) this.asideOf.set(whose, left);
    else this.asideOf.delete(whose);
  }

  private hasRoom(): boolean {
    return this.taken < takenMax && this.taken - this.aside < placesInHand;
  }

  private take(): SlotPermit {
    this.taken += 1;
    return {};
  }

  private admitNext(): void {
    for (const admit of this.waiting) {
      if (!this.hasRoom()) return;
      this.waiting.delete(admit);
      this.take();
      admit();
    }
  }
}

const execution = new AsyncLocalStorage<{ giveWay: () => void }>();

/** Said by an activity of a run before it waits for a model or a tool: the next one may begin. Elsewhere it means nothing. */
export function giveWay(): void {
  execution.getStore()?.giveWay();
}
