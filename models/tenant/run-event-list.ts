import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import { eventData } from './run-event.ts';

/** What happened in a run after a number, oldest first; found by the primary key. */
export function eventsAfter(tenantId: string, runId: string, after: number, limit: number): Statement {
  return {
    text: `SELECT seq, at, kind, path, sealed_data FROM ${schemaOf(tenantId)}.run_events
           WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
    values: [runId, after, limit],
  };
}

/** How far a run has come: all that a watcher has to know of it. */
export function runStanding(tenantId: string, runId: string): Statement {
  return {
    text: `SELECT id, owner_id, state, last_event FROM ${schemaOf(tenantId)}.runs WHERE id = $1`,
    values: [runId],
  };
}

export function presentEvent(keyring: Keyring, runId: string, row: Row) {
  const { seq, at, kind, path, sealed_data } = row;
  const sealed = Buffer.isBuffer(sealed_data) ? sealed_data : null;
  const data = eventData(keyring, runId, { seq: Number(seq), sealed_data: sealed });
  // Not by way of its text, which has no milliseconds. Postgres' timestamptz comes as a Date.
  const moment = at as Date;
  return { seq: Number(seq), at: moment.toISOString(), kind, path: path ?? null, data };
}
