import { Batch, type Row, type Statement } from './batch.ts';
import { Lane } from './lane.ts';
import { PatientClient, type PatientConfig } from './patient-client.ts';

/**
 * Reads of many callers over a few connections. What is asked for in one turn of the event loop leaves in one write,
 * each batch with a Sync and so in a transaction of its own: what one does or fails at does not touch the next. A
 * busy backend answers several in a row, where waking it for each costs more than the read itself.
 */
const depthMax = 4; // No deeper, so that a slow read holds up few others.
const idleMs = 30_000;
const patienceMs = 5_000;
const tidyMs = 1_000;

export type Pipeline = {
  /** Runs the statements in order in one transaction and answers their rows. */
  run(statements: Statement[]): Promise<Row[][]>;
  end(): Promise<void>;
};

export function openPipeline(options: PatientConfig, lanesMax: number): Pipeline {
  const lanes = new Set<Lane>();
  const waiting: { batch: Batch; since: number }[] = [];
  let opening = 0;
  let leaving = false;
  let ended = false;

  function leaveSoon(): void {
    if (leaving || waiting.length === 0) return;
    leaving = true;
    setImmediate(() => {
      leaving = false;
      leave();
    });
  }

  function leave(): void {
    while (waiting.length > 0) {
      const lane = leastBusy();
      if (!lane || lane.inFlight > 0) openAnother();
      if (!lane) return;
      lane.send(waiting.splice(0, depthMax - lane.inFlight).map(({ batch }) => batch));
    }
  }

  function leastBusy(): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of lanes) {
      if (!lane.over && lane.inFlight < (best?.inFlight ?? depthMax)) best = lane;
    }
    return best;
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
    while (waiting[0] && waiting[0].since <= before) waiting.shift()?.batch.reject(error);
  }

  function tidy(): void {
    refuse(patienceMs, new Error('timeout exceeded when trying to connect'));
    for (const lane of lanes) if (lane.idleFor(idleMs)) void lane.end();
  }

  const tidying = setInterval(tidy, tidyMs).unref();
  return {
    run: (statements) =>
      new Promise((resolve, reject) => {
        waiting.push({ batch: new Batch(statements, resolve, reject), since: performance.now() });
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
