import type { Client } from 'pg';
import { log } from '../telemetry.ts';
import { openListener, openness, platformLogin } from './databases.ts';
import { runEventChannel } from './tenant/run-event.ts';

/**
 * Tells whoever watches a run that something happened in it: one connection for each cell and process, however many
 * watch. It carries ids and numbers only; each watcher reads what happened as the tenant, behind its walls. While the
 * connection is away, watchers are woken every second instead, so that an event comes late and is never lost.
 */
const pollMs = 1_000;
const reconnectMs = 500;

export type Watched = { cell: string; tenantId: string; runId: string };

class CellFeed {
  private readonly cell: string;
  private readonly watchers = new Map<string, Set<() => void>>();
  private client: Client | undefined;
  private polling: NodeJS.Timeout | undefined;
  private ended = false;

  constructor(cell: string) {
    this.cell = cell;
    void this.listen();
  }

  add(run: string, wake: () => void): void {
    const watchers = this.watchers.get(run) ?? new Set();
    this.watchers.set(run, watchers.add(wake));
  }

  /** Whether anybody is left. */
  remove(run: string, wake: () => void): boolean {
    const watchers = this.watchers.get(run);
    watchers?.delete(wake);
    if (watchers?.size === 0) this.watchers.delete(run);
    return this.watchers.size > 0;
  }

  async end(): Promise<void> {
    this.ended = true;
    this.poll(false);
    await this.client?.end().catch(() => {});
  }

  private wakeAll(): void {
    for (const watchers of this.watchers.values()) for (const wake of watchers) wake();
  }

  private poll(on: boolean): void {
    clearInterval(this.polling);
    this.polling = on ? setInterval(() => this.wakeAll(), pollMs).unref() : undefined;
  }

  private async listen(): Promise<void> {
    const begun = openness();
    this.poll(true);
    const why = await this.hear().catch((error: unknown) => error);
    if (this.ended || openness() !== begun) return this.poll(false);
    log.warn({ cell: this.cell, error: String(why) }, 'run events are polled until they can be listened to');
    this.poll(true);
    setTimeout(() => this.ended || void this.listen(), reconnectMs).unref();
  }

  /** Resolves, with why, when the connection is no more. */
  private async hear(): Promise<unknown> {
    const client = await openListener(platformLogin(this.cell));
    this.client = client;
    // A connection that is lost says so by either or both.
    const lost = Promise.withResolvers<unknown>();
    client.on('error', lost.resolve).on('end', () => lost.resolve('it ended'));
    client.on('notification', ({ payload = '' }) => {
      const watchers = this.watchers.get(payload.slice(0, payload.lastIndexOf('/')));
      for (const wake of watchers ?? []) wake();
    });
    try {
      // Asked again, for it may have been given up while the connection came about.
      if (this.ended) return 'nobody is left';
      await client.query(`LISTEN ${runEventChannel}`);
      this.poll(false);
      // What happened before it listened was told to nobody.
      this.wakeAll();
      return await lost.promise;
    } finally {
      await client.end().catch(() => {});
    }
  }
}

const feeds = new Map<string, CellFeed>();

/** Calls `wake` whenever something may have happened in the run, until what this answers is called. */
export function watchRun({ cell, tenantId, runId }: Watched, wake: () => void): () => void {
  const feed = feeds.get(cell) ?? new CellFeed(cell);
  feeds.set(cell, feed);
  const run = `${tenantId}/${runId}`;
  feed.add(run, wake);
  return () => {
    if (feed.remove(run, wake) || feeds.get(cell) !== feed) return;
    feeds.delete(cell);
    void feed.end();
  };
}
