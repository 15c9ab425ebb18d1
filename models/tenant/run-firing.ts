import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

/** Each time a schedule was due, and what became of it: once, under the id of the workflow that Temporal started. */
export const firingOutcomes = ['started', 'skipped', 'refused', 'paused'] as const;
export type FiringOutcome = (typeof firingOutcomes)[number];

const keptDays = 30;

/** Held until the transaction ends, so that it is due and changed one after the other. */
export async function holdSchedule(sql: Sql, id: string): Promise<Row | undefined> {
  const [row] = await sql<Row>(
    'SELECT s.*, t.state AS tenant_state FROM run_schedules s CROSS JOIN tenant t WHERE s.id = $1 FOR UPDATE OF s',
    [id],
  );
  return row;
}

export async function firingOf(
  sql: Sql,
  scheduleId: string,
  fire: string,
): Promise<FiringOutcome | undefined> {
  const [row] = await sql<{ outcome: FiringOutcome }>(
    'SELECT outcome FROM run_schedule_firings WHERE schedule_id = $1 AND fire = $2',
    [scheduleId, fire],
  );
  return row?.outcome;
}

export type Fired = { outcome: FiringOutcome; runId?: string; refusalCode?: string; pause?: string };

export async function noteFiring(sql: Sql, scheduleId: string, fire: string, fired: Fired): Promise<void> {
  await sql(
    'DELETE FROM run_schedule_firings WHERE schedule_id = $1 AND fired_at < now() - make_interval(days => $2)',
    [scheduleId, keptDays],
  );
  await sql(
    `INSERT INTO run_schedule_firings (schedule_id, fire, id, outcome, run_id, refusal_code)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [scheduleId, fire, newId('fir'), fired.outcome, fired.runId ?? null, fired.refusalCode ?? null],
  );
  await sql(
    `UPDATE run_schedules SET last_at = now(), last_run_id = coalesce($2, last_run_id),
       state = CASE WHEN $3::text IS NULL THEN state ELSE 'paused' END, pause_reason = coalesce($3, pause_reason)
     WHERE id = $1`,
    [scheduleId, fired.runId ?? null, fired.pause ?? null],
  );
}

export function firingList(
  tenantId: string,
  scheduleId: string,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  return {
    text: `SELECT id, outcome, run_id, refusal_code, fired_at FROM ${schemaOf(tenantId)}.run_schedule_firings
           WHERE schedule_id = $1 AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    values: [scheduleId, cursor ?? null, limit],
  };
}
