import { weightOf } from './weights.ts';

/**
 * Those who wait, in fair order: whose turn it is goes by weight (a tenant of weight 4 has four turns for one of weight
 * 1), and within a tenant first come, first served. Who has waited for nothing lately begins where the others are, so
 * nobody saves up turns, and a tenant that asks once is next but for those who are as far.
 */
type Line<T> = { waiting: T[]; pass: number };

// How far they are is kept of tenants that wait no more, until that does not matter.
const passesKept = 1_000;

export class FairQueue<T> {
  /** Of those who wait. */
  private readonly lines = new Map<string, Line<T>>();
  private readonly passes = new Map<string, number>();
  private now = 0;
  size = 0;

  push(key: string, item: T): void {
    this.size += 1;
    const line = this.lines.get(key);
    if (line) line.waiting.push(item);
    else this.lines.set(key, { waiting: [item], pass: Math.max(this.passes.get(key) ?? 0, this.now) });
  }

  /** The next one of a tenant that may be served now. */
  take(may: (key: string) => boolean = () => true): T | undefined {
    const next = this.next(may);
    if (!next) return undefined;
    const [key, line] = next;
    this.now = line.pass;
    line.pass += 1 / weightOf(key);
    this.size -= 1;
    const item = line.waiting.shift();
    if (line.waiting.length === 0) this.leave(key, line);
    return item;
  }

  waitingOf(key: string): number {
    return this.lines.get(key)?.waiting.length ?? 0;
  }

  /** Those for which it is so wait no longer. */
  drop(is: (item: T) => boolean): T[] {
    const dropped: T[] = [];
    for (const [key, line] of this.lines) {
      dropped.push(...line.waiting.filter(is));
      line.waiting = line.waiting.filter((item) => !is(item));
      if (line.waiting.length === 0) this.leave(key, line);
    }
    this.size -= dropped.length;
    return dropped;
  }

  private next(may: (key: string) => boolean): [string, Line<T>] | undefined {
    let best: [string, Line<T>] | undefined;
    for (const entry of this.lines) {
      const [key, { pass }] = entry;
      if (pass < (best?.[1].pass ?? Number.POSITIVE_INFINITY) && may(key)) best = entry;
    }
    return best;
  }

  private leave(key: string, { pass }: Line<T>): void {
    this.lines.delete(key);
    this.passes.set(key, pass);
    if (this.passes.size <= passesKept) return;
    for (const [each, reached] of this.passes) if (reached <= this.now) this.passes.delete(each);
  }
}
