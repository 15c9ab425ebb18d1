import { AsyncLocalStorage } from 'node:async_hooks';
import { availableParallelism } from 'node:os';
import type {
  ActivityInterceptors,
  ActivitySlotInfo,
  CustomSlotSupplier,
  SlotPermit,
  TunerHolder,
} from '@temporalio/worker';

/**
 * How many activities of runs a worker takes from its queue. Tenants take turns in that queue and nowhere after it, so what
 * is taken is what the next tenant waits for: no more than keeps the processors busy. What waits for a model, a tool or a lock
 * keeps nothing busy; it gives its place to the next and counts no longer, up to a number that memory bears.
 */
export const placesInHand = Math.max(2, availableParallelism());
/** Over the hundred runs that a tenant may have under way unless it says otherwise. */
const takenMax = 256;
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
  readonly around = (): ActivityInterceptors => ({
    inbound: {
      execute: async (input, next) => {
        const own = { aside: false, over: false };
        const giveWay = () => {
          // What goes on after its activity has ended holds no place any more.
          if (own.aside || own.over) return;
          own.aside = true;
          this.aside += 1;
          this.admitNext();
        };
        const slow = setTimeout(giveWay, promptMs);
        try {
          return await execution.run({ giveWay }, () => next(input));
        } finally {
          clearTimeout(slow);
          // Until its slot is released it counts again, for a moment.
          if (own.aside) this.aside -= 1;
          own.over = true;
        }
      },
    },
  });

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
