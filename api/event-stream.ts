import { setTimeout as pause } from 'node:timers/promises';
import type { Response } from 'express';
import { Refusal } from '../policies/refusal.ts';
import { endedStreams, openStreams } from '../telemetry.ts';

/**
 * Server-sent events: what is written to one reader, who may be slow or gone. No more than one batch waits for a
 * reader; one who takes nothing for five seconds is let go. Streams end when the process is told to stop, and readers
 * come back to another with the number of the last event they had.
 */
export type End = { reason: string; detail: string; state?: unknown };

const slowMs = 5_000;
const reconnectMs = 2_000;
/** For each tenant, in each process: one page open per person is far less. */
const streamsMax = 200;

const open = new Map<string, Set<EventStream>>();

export function refuseTooManyStreams(tenantId: string): void {
  if ((open.get(tenantId)?.size ?? 0) < streamsMax) return;
  throw new Refusal('rate-limited', `There are ${streamsMax} streams open; close some of them first.`, {
    retryAfterSeconds: 5,
  });
}

/** Ends every stream of this process, so that it can stop. */
export function endStreams(): void {
  const end = { reason: 'stopping', detail: 'This process is about to stop; come back with Last-Event-ID.' };
  for (const streams of open.values()) for (const stream of streams) stream.leave(end);
}

export class EventStream {
  /** Set once it is to end: by its reader, or by this process. */
  ending: End | undefined;
  private readonly response: Response;
  private readonly tenantId: string;
  private readonly wakes = new Set<() => void>();
  private woken = false;

  constructor(response: Response, tenantId: string) {
    this.response = response;
    this.tenantId = tenantId;
    const streams = open.get(tenantId) ?? new Set();
    open.set(tenantId, streams.add(this));
    openStreams.inc();
    response.on('close', () => this.leave({ reason: 'reader-gone', detail: '' }));
    response.write(`retry: ${reconnectMs}\n\n`);
  }

  leave(end: End): void {
    this.ending ??= end;
    this.wake();
  }

  readonly wake = (): void => {
    this.woken = true;
    for (const each of this.wakes) each();
  };

  /** Until it is woken, which may have happened already, or the time is over. */
  async rest(ms: number): Promise<void> {
    if (!this.woken) await this.until((done) => this.wakes.add(done), ms);
    this.wakes.clear();
    this.woken = false;
  }

  async send(id: number, name: string, data: object): Promise<void> {
    // JSON has no line ends of its own, so one line holds it whole.
    await this.write(`id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Says that all is well, and finds out whether anybody listens. */
  async beat(): Promise<void> {
    await this.write(': nothing new\n\n');
  }

  async close(end: End): Promise<void> {
    const { response, tenantId } = this;
    open.get(tenantId)?.delete(this);
    if (open.get(tenantId)?.size === 0) open.delete(tenantId);
    openStreams.dec();
    endedStreams.inc({ reason: end.reason });
    if (response.destroyed) return;
    response.end(`event: end\ndata: ${JSON.stringify(end)}\n\n`);
    // Who does not read would keep what waits for them, and a process that is to stop from stopping.
    const flushed = new Promise((resolve) => response.on('close', resolve).on('finish', resolve));
    await Promise.race([flushed, pause(slowMs, undefined, { ref: false })]);
    if (!response.writableFinished) response.destroy();
  }

  private async write(text: string): Promise<void> {
    if (this.response.destroyed || this.response.write(text)) return;
    const drained = await this.until((done) => this.response.once('drain', done).once('close', done), slowMs);
    if (!drained)
      this.leave({ reason: 'too-slow', detail: 'You read too slowly; come back with Last-Event-ID.' });
  }

  /** Whether it came about in time. */
  private async until(on: (done: () => void) => unknown, ms: number): Promise<boolean> {
    const timer = Promise.withResolvers<false>();
    const timeout = setTimeout(() => timer.resolve(false), ms);
    const came = new Promise<true>((resolve) => on(() => resolve(true)));
    const outcome = await Promise.race([came, timer.promise]);
    clearTimeout(timeout);
    return outcome;
  }
}
