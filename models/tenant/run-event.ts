import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/**
 * What happened in a run, in order and without gaps: whoever writes holds the run's row, whose `last_event` counts
 * them. Listeners are told `<tenant>/<run>/<seq>` on this channel of the cell's database once the transaction commits.
 */
export const runEventChannel = 'run_events';

const runEventKinds = [
  'run.state',
  'step.started',
  'step.waiting',
  'step.done',
  'step.failed',
  'step.skipped',
  'step.retrying',
  'approval.asked',
  'approval.answered',
  'model.answered',
] as const;
type RunEventKind = (typeof runEventKinds)[number];

/** `data` is sealed; what stands in it may be anything a person, model or tool wrote. */
export type RunEvent = { kind: RunEventKind; path?: string; data?: Record<string, unknown> };

const rowOf = (runId: string, seq: number): string => `${runId}/${seq}`;

type After = { runId: string; last: number };

/** The events that come after `last`, sealed, for `sayEvents`. */
export function sealedEvents(keyring: Keyring, { runId, last }: After, events: readonly RunEvent[]): string {
  const seal = (seq: number, data: Record<string, unknown>) =>
    keyring.seal('run_events.sealed_data', rowOf(runId, seq), JSON.stringify(data)).toString('hex');
  const sealed = events.map(({ kind, path, data }, at) => {
    const seq = last + 1 + at;
    return { seq, kind, path: path ?? null, data: data ? seal(seq, data) : null };
  });
  return JSON.stringify(sealed);
}

/**
 * How a statement begins that says events as well, for a round trip of their own would cost as much as the step: the
 * names of its parameters are given, and it has to read `told` for listeners to be told.
 */
export const sayEvents = (run: string, events: string): string =>
  `WITH said AS (
     INSERT INTO run_events (run_id, seq, kind, path, sealed_data)
     SELECT ${run}, e.seq, e.kind, e.path, decode(e.data, 'hex')
     FROM jsonb_to_recordset(${events}::jsonb) AS e (seq bigint, kind text, path text, data text)
     RETURNING seq),
   told AS (
     SELECT pg_notify('${runEventChannel}', concat_ws('/', current_setting('app.tenant'), ${run}::text, max(seq)::text))
     FROM said HAVING count(*) > 0)`;

/** Writes the events after `last`. The caller raises `runs.last_event` by as many. */
export async function appendEvents(
  sql: Sql,
  keyring: Keyring,
  after: After,
  events: readonly RunEvent[],
): Promise<void> {
  await sql(`${sayEvents('$1', '$2')} SELECT FROM told`, [after.runId, sealedEvents(keyring, after, events)]);
}

/** As a row of run_events says it. */
export function eventData(
  keyring: Keyring,
  runId: string,
  { seq, sealed_data }: { seq: number | string; sealed_data: Buffer | null },
): Record<string, unknown> {
  if (!sealed_data) return {};
  const text = keyring.open('run_events.sealed_data', rowOf(runId, Number(seq)), sealed_data);
  return JSON.parse(text) as Record<string, unknown>; // sealed by appendEvents
}
