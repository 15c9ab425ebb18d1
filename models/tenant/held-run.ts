import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { HeldBy } from '../../policies/restriction-words.ts';
import { isRunEnded, type RunRefusal, type RunState, type RunWanted } from '../../policies/run.ts';
import type { RunBudget } from '../../policies/run-budget.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { type RunLimits, sealInRun } from './run.ts';
import { type RunEvent, sayEvents, sealedEvents } from './run-event.ts';
import { heldSql } from './run-hold.ts';

/** The one way in which a run changes: its row is held, counted up and told of in one transaction. */

/** A run whose row is held by this transaction. */
export type HeldRun = {
  id: string;
  state: RunState;
  wanted: RunWanted;
  tenant_state: string;
  /** A restriction holds it (policies/usage-ladder.ts), and whether it ever began. */
  restricted: boolean;
  begun: boolean;
  principal: Principal;
  owner_id: string;
  limits: RunLimits;
  budget: RunBudget | null;
  steps_used: number;
  tokens: number;
  round: number;
  last_event: number;
  conversation_id: string | null;
  agent_id: string | null;
  workflow_id: string | null;
  environment: 'draft' | 'live';
};

/** Holds the run's row until the transaction ends; undefined when there is none. */
export async function holdRun(sql: Sql, runId: string): Promise<HeldRun | undefined> {
  const [run] = await sql<HeldRun>(
    `SELECT r.id, r.state, r.wanted, t.state AS tenant_state, ${heldSql} AS restricted, r.started_at IS NOT NULL AS begun, r.principal, r.owner_id, r.limits, r.budget, r.steps_used,
       (r.tokens_input + r.tokens_output)::float8 AS tokens, r.round, r.last_event::int AS last_event, r.conversation_id,
       r.agent_id, r.workflow_id, r.environment
     FROM runs r CROSS JOIN tenant t WHERE r.id = $1 FOR UPDATE OF r`,
    [runId],
  );
  return run;
}

/** What an activity finds to work on. One that has been ended by an earlier attempt is not changed again. */
export async function holdOpenRun(sql: Sql, runId: string): Promise<HeldRun> {
  const run = await holdRun(sql, runId);
  if (!run || isRunEnded(run.state)) throw new Refusal('conflict', 'The run has ended.');
  return run;
}

export type RunChange = {
  state?: RunState;
  wanted?: RunWanted;
  steps?: number;
  output?: unknown;
  refusal?: { code: RunRefusal; detail: string } | undefined;
  /** What brings it to this state, where a restriction does. */
  heldBy?: HeldBy | null;
  events?: RunEvent[];
};

/** Changes the held row, counts, and appends what is told of it; what is not named stays. */
export async function changeRun(sql: Sql, keyring: Keyring, run: HeldRun, change: RunChange): Promise<void> {
  const { state, wanted, steps = 0, output, refusal, heldBy } = change;
  const moved = state !== undefined && state !== run.state;
  const said: RunEvent[] = moved
    ? [{ kind: 'run.state', data: { state, ...(refusal && { refusal }), ...(heldBy && { heldBy }) } }]
    : [];
  const events = [...(change.events ?? []), ...said];
  const last = run.last_event + events.length;
  await sql(
    `${sayEvents('$1', '$10')}
     UPDATE runs SET state = $2, wanted = $3, steps_used = steps_used + $4,
       sealed_output = coalesce($5, sealed_output), last_event = $6, refusal_code = coalesce($7, refusal_code),
       sealed_refusal = coalesce($8, sealed_refusal), updated_at = now(), version = version + CASE WHEN $9 THEN 1 ELSE 0 END,
       started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
       ended_at = CASE WHEN $2 IN ('succeeded', 'failed', 'refused', 'cancelled') THEN coalesce(ended_at, now()) END
     FROM (SELECT count(*) FROM told) AS heard WHERE id = $1`,
    [
      run.id,
      state ?? run.state,
      wanted ?? run.wanted,
      steps,
      output === undefined ? null : sealInRun(keyring, 'sealed_output', run.id, output),
      last,
      refusal?.code ?? null,
      refusal ? sealInRun(keyring, 'sealed_refusal', run.id, refusal.detail) : null,
      moved || (wanted !== undefined && wanted !== run.wanted),
      sealedEvents(keyring, { runId: run.id, last: run.last_event }, events),
    ],
  );
  run.last_event = last;
  run.state = state ?? run.state;
  run.wanted = wanted ?? run.wanted;
  run.steps_used += steps;
}
