import { condition } from '@temporalio/workflow';
import type { RunState } from '../policies/run.ts';
import type { Outcome } from '../policies/run-plan.ts';

/**
 * Where a run stands still: every activity passes here, so a run that is to pause, or whose history is to be handed
 * on, comes to rest between two effects and never within one. It also keeps the time: of work, not of waiting.
 */
export class Gate {
  paused: boolean;
  rolling = false;
  /** What the row says the run is at. */
  told: RunState = 'running';
  private underWay = 0;
  private spentMs: number;
  private since = 0;

  constructor(spentMs: number, paused: boolean) {
    this.spentMs = spentMs;
    this.paused = paused;
  }

  get idle(): boolean {
    return this.underWay === 0;
  }
  /** Asked from within an act: whether nothing else is under way. */
  get alone(): boolean {
    return this.underWay === 1;
  }
  private get open(): boolean {
    return !this.paused && !this.rolling;
  }
  activeMs(): number {
    return this.spentMs + (this.idle ? 0 : Date.now() - this.since);
  }

  /** Passes when the gate is open; what was held did nothing, and is begun again once it opens. */
  async through(act: () => Promise<Outcome>): Promise<Exclude<Outcome, { state: 'held' }>> {
    for (;;) {
      await condition(() => this.open);
      const outcome = await this.counted(act);
      this.told = outcome.state === 'waiting' && this.idle ? 'waiting' : 'running';
      if (outcome.state !== 'held') return outcome;
      this.paused = true;
    }
  }

  /** Work that does not stand in the gate: waiting out the time between two attempts counts as work too. */
  async counted<T>(act: () => Promise<T>): Promise<T> {
    if (this.underWay === 0) this.since = Date.now();
    this.underWay += 1;
    try {
      return await act();
    } finally {
      this.underWay -= 1;
      if (this.underWay === 0) this.spentMs += Date.now() - this.since;
    }
  }
}
