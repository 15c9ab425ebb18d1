import { Batch, type Row, type Statement } from './batch.ts';
import { FairQueue } from './fair-queue.ts';
import { Lane } from './lane.ts';
import { PatientClient, type PatientConfig } from './patient-client.ts';

/**
 * Reads of many callers over a few connections. What is asked for in one turn of the event loop leaves in one write,
 * each batch with a Sync and so in a transaction of its own: what one does or fails at does not touch the next. A
 * busy backend answers several in a row, where waking it for each costs more than the read itself. Tenants take turns by
 * weight, and the last lane is never one tenant's alone: whose reads are slow holds up its own.
 */
const depthMax = 4; // No deeper, so that a slow read holds up few others.
const idleMs = 30_000;
const patienceMs = 5_000;
const tidyMs = 1_000;
/** Whose reads of Freehold's own are: no tenant's, so they may take every lane. */
export const nobodys = '';

export type Pipeline = {
  /** Runs the statements in order in one transaction and answers their rows; `whose` takes turns with others. */
  run(statements: Statement[], whose?: string): Promise<Row[][]>;
  end(): Promise<void>;
};

export function openPipeline(options: PatientConfig, lanesMax: number): Pipeline {
  const lanes = new Set<Lane>();
  const waiting = new FairQueue<{ batch: Batch; since: number }>();
  let opening = 0;
  let leaving = false;
  let ended = false;

  function leaveSoon(): void {
    if (leaving || waiting.size === 0) return;
    leaving = true;
    setImmediate(() => {
      leaving = false;
      leave();
    });
  }

  function leave(): void {
    while (waiting.size > 0) {
      const free = [...lanes].filter((lane) => !lane.over && lane.inFlight < depthMax);
      if (free.every((lane) => lane.inFlight > 0)) openAnother();
      // The least busy one first; one that takes nothing is kept free for others than those who wait.
      if (!free.sort((a, b) => load(a) - load(b)).some(fill)) return;
    }
  }

  const load = (lane: Lane) => lane.inFlight + (lane.isSlow() ? depthMax : 0);

  function fill(lane: Lane): boolean {
    const batches: Batch[] = [];
    while (lane.inFlight + batches.length < depthMax) {
      const next = waiting.take((whose) => maySend(lane, whose));
      if (!next) break;
      batches.push(next.batch);
    }
    if (batches.length > 0) lane.send(batches);
    return batches.length > 0;
  }

  function maySend(lane: Lane, whose: string): boolean {
    if (whose === nobodys || lanesMax === 1 || lane.serves(whose)) return true;
    let others = 0;
    for (const each of lanes) if (each !== lane && each.serves(whose)) others += 1;
    return others < lanesMax - 1;
  }

  function openAnother(): void {
    if (ended || opening > 0 || lanes.size >= lanesMax) return;
    opening++;
    void open().finally(() => {
      opening--;
      leave();
    });
  }

  async function open(): Promise<void> {
    const client = new PatientClient({ ...options, connectionTimeoutMillis: patienceMs });
    const lane = new Lane(client, (changed) => {
      if (changed.over && changed.inFlight === 0) lanes.delete(changed);
      leaveSoon();
    });
    try {
      await client.connect();
      if (ended) await lane.end();
      else lanes.add(lane);
    } catch (error) {
      if (lanes.size === 0) refuse(0, error instanceof Error ? error : new Error(String(error)));
    }
  }

  function refuse(olderThanMs: number, error: Error): void {
    const before = performance.now() - olderThanMs;
    for (const { batch } of waiting.drop(({ since }) => since <= before)) batch.reject(error);
  }

  function tidy(): void {
    refuse(patienceMs, new Error('timeout exceeded when trying to connect'));
    for (const lane of lanes) if (lane.idleFor(idleMs)) void lane.end();
  }

  const tidying = setInterval(tidy, tidyMs).unref();
  return {
    run: (statements, whose = nobodys) =>
      new Promise((resolve, reject) => {
        const batch = new Batch(statements, { whose, resolve, reject });
        waiting.push(whose, { batch, since: performance.now() });
        leaveSoon();
      }),
    async end() {
      ended = true;
      clearInterval(tidying);
      refuse(0, new Error('Connection terminated: this process is ending'));
      await Promise.all([...lanes].map((lane) => lane.end()));
    },
  };
}
