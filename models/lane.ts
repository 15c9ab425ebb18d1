import type { Client, Submittable } from 'pg';
import { type Batch, Prepared, type Wire } from './batch.ts';
import { addBusyTime } from './busy-time.ts';

/**
 * One connection with batches in flight, answered in the order they were sent. pg lets only one query be active; this
 * is that query, again for each batch (its own pipelining takes no batches). After an error it takes nothing new and
 * ends: which statements the server still knows is not worth finding out.
 */
const batchesMax = 20_000; // A backend keeps memory for every table it touched; it is replaced before that adds up.

// Far above what a read takes that does not wait for anything.
const slowMs = 20;

export class Lane implements Submittable {
  private readonly client: Client;
  private readonly wire: Wire;
  /** Called when there is room again, or nothing more to be had. */
  private readonly changed: (lane: Lane) => void;
  private readonly prepared = new Prepared();
  private readonly sent: Batch[] = [];
  private count = 0;
  private usedAt = performance.now();
  private headSince = 0;
  over = false;

  constructor(client: Client, changed: (lane: Lane) => void) {
    this.client = client;
    // The connection that pg hands to every Submittable; the methods are those that pg-cursor calls.
    this.wire = client.connection as Wire;
    this.changed = changed;
    const ended = () => {
      this.over = true;
      changed(this);
    };
    client.on('error', ended).on('end', ended);
  }

  get inFlight(): number {
    return this.sent.length;
  }

  serves(whose: string): boolean {
    return this.sent.some((batch) => batch.whose === whose);
  }

  /** Whether what is first in line takes long, so that others had better not stand behind it. */
  isSlow(): boolean {
    return this.inFlight > 0 && performance.now() - this.headSince > slowMs;
  }

  idleFor(ms: number): boolean {
    return this.inFlight === 0 && performance.now() - this.usedAt > ms;
  }

  send(batches: Batch[]): void {
    const wasIdle = this.inFlight === 0;
    this.wire.stream.cork();
    for (const batch of batches) batch.send(this.wire, this.prepared);
    this.wire.stream.uncork();
    this.sent.push(...batches);
    this.count += batches.length;
    this.usedAt = performance.now();
    if (this.count >= batchesMax) this.over = true;
    if (!wasIdle) return;
    this.headSince = this.usedAt;
    this.client.query(this);
  }

  /** What is in flight is still answered. */
  async end(): Promise<void> {
    this.over = true;
    if (this.inFlight === 0) await this.client.end();
  }

  /** All is on the wire already. */
  submit(): void {}

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.sent[0]?.describe(fields);
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    this.sent[0]?.row(fields);
  }

  handleCommandComplete(): void {
    this.sent[0]?.statementDone();
  }

  handleEmptyQuery(): void {
    this.sent[0]?.statementDone();
  }

  handleReadyForQuery(): void {
    this.shift()?.succeed(this.prepared);
    this.goOn();
  }

  handleError(error: Error): void {
    this.over = true;
    this.shift()?.reject(error);
    this.goOn();
  }

  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}

  /** The first of those in flight is answered; for so long the connection was busy with it. */
  private shift(): Batch | undefined {
    const batch = this.sent.shift();
    if (batch?.whose) addBusyTime(batch.whose, performance.now() - this.headSince);
    return batch;
  }

  private goOn(): void {
    this.headSince = performance.now();
    if (this.sent.length > 0) this.client.query(this);
    else if (this.over) void this.end();
    this.changed(this);
  }
}
