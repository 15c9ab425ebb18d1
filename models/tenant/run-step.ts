import type { RunRefusal, RunStepKind, RunStepState } from '../../policies/run.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/** The ledger of a run: a row for each thing done, by its path (policies/run-plan.ts). Written while the run is held. */
export type StepRow = {
  path: string;
  number: number;
  kind: RunStepKind;
  state: RunStepState;
  attempts: number;
  effect: number;
  progress: number;
  agentId: string | null;
  input: unknown;
  output: unknown;
  code: RunRefusal | null;
  refusal: string | undefined;
  tokens: number;
  startedAt: Date;
  endedAt: Date | null;
};

type Stored = Omit<StepRow, 'input' | 'output' | 'refusal'> & {
  sealed_input: Buffer | null;
  sealed_output: Buffer | null;
  sealed_refusal: Buffer | null;
};
type SealedColumn = 'sealed_input' | 'sealed_output' | 'sealed_refusal';

const rowOf = (runId: string, path: string): string => `${runId}/${path}`;

function seal(keyring: Keyring, column: SealedColumn, where: string, value: unknown): Buffer | null {
  return value === undefined ? null : keyring.seal(`run_steps.${column}`, where, JSON.stringify(value));
}

function opened(keyring: Keyring, runId: string, row: Stored): StepRow {
  const { sealed_input, sealed_output, sealed_refusal, ...clear } = row;
  const open = (column: SealedColumn, sealed: Buffer | null): unknown =>
    sealed ? JSON.parse(keyring.open(`run_steps.${column}`, rowOf(runId, row.path), sealed)) : undefined;
  const refusal = open('sealed_refusal', sealed_refusal);
  return {
    ...clear,
    input: open('sealed_input', sealed_input),
    output: open('sealed_output', sealed_output),
    refusal: typeof refusal === 'string' ? refusal : undefined,
  };
}

const clearColumns = `path, number, kind, state, attempts, effect, progress, agent_id AS "agentId", refusal_code AS code,
  tokens_input + tokens_output AS tokens, started_at AS "startedAt", ended_at AS "endedAt"`;
const columns = `${clearColumns}, sealed_input, sealed_output, sealed_refusal`;

export async function stepsAt(
  sql: Sql,
  keyring: Keyring,
  runId: string,
  paths: readonly string[],
): Promise<Map<string, StepRow>> {
  if (paths.length === 0) return new Map();
  const rows = await sql<Stored>(`SELECT ${columns} FROM run_steps WHERE run_id = $1 AND path = ANY ($2)`, [
    runId,
    paths,
  ]);
  return new Map(rows.map((row) => [row.path, opened(keyring, runId, row)]));
}

/** What stands below a path: the turns and calls of an agent, the steps of a map's items. */
export async function stepsBelow(
  sql: Sql,
  keyring: Keyring,
  runId: string,
  beginning: string,
): Promise<StepRow[]> {
  const rows = await sql<Stored>(
    `SELECT ${columns} FROM run_steps WHERE run_id = $1 AND starts_with(path, $2) ORDER BY number, path`,
    [runId, beginning],
  );
  return rows.map((row) => opened(keyring, runId, row));
}

export type ClearStep = Omit<StepRow, 'input' | 'output' | 'refusal'>;

/** The whole ledger without what is sealed. */
export function clearSteps(sql: Sql, runId: string): Promise<ClearStep[]> {
  return sql<ClearStep>(`SELECT ${clearColumns} FROM run_steps WHERE run_id = $1 ORDER BY number, path`, [
    runId,
  ]);
}

/** How these paths stand; those that were never begun are absent. */
export async function stepStates(
  sql: Sql,
  runId: string,
  paths: readonly string[],
): Promise<Map<string, RunStepState>> {
  const rows = await sql<Pick<StepRow, 'path' | 'state'>>(
    'SELECT path, state FROM run_steps WHERE run_id = $1 AND path = ANY ($2::text[])',
    [runId, paths],
  );
  return new Map(rows.map(({ path, state }) => [path, state]));
}

export type Beginning = {
  path: string;
  number: number;
  kind: RunStepKind;
  state?: 'running' | 'waiting';
  agentId?: string | undefined;
  version?: number | null | undefined;
  input?: unknown;
};

/** `fresh`: it was not under way before; only then does it count, however often a lost worker has it begun again. */
export type Begun = { effect: number; attempts: number; fresh: boolean };

export async function beginStep(sql: Sql, keyring: Keyring, runId: string, step: Beginning): Promise<Begun> {
  const { path, number, kind, state = 'running', agentId, version, input } = step;
  const [begun] = await sql<Begun>(
    `WITH was AS (SELECT state FROM run_steps WHERE run_id = $1 AND path = $2)
     INSERT INTO run_steps AS s (run_id, path, number, kind, state, agent_id, definition_version, sealed_input)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (run_id, path) DO UPDATE SET state = excluded.state, number = excluded.number, ended_at = NULL,
       attempts = s.attempts + CASE WHEN s.state = 'failed' THEN 1 ELSE 0 END, refusal_code = NULL, sealed_refusal = NULL,
       sealed_input = coalesce(excluded.sealed_input, s.sealed_input), sealed_output = NULL
     RETURNING effect, attempts, coalesce((SELECT was.state NOT IN ('running', 'waiting') FROM was), true) AS fresh`,
    [
      runId,
      path,
      number,
      kind,
      state,
      agentId ?? null,
      version ?? null,
      seal(keyring, 'sealed_input', rowOf(runId, path), input),
    ],
  );
  if (!begun) throw new Error(`bug: ${runId} has no row for a step it has just begun`);
  return begun;
}

export async function isUnderWay(sql: Sql, runId: string, path: string): Promise<boolean> {
  const rows = await sql(
    "SELECT FROM run_steps WHERE run_id = $1 AND path = $2 AND state IN ('running', 'waiting')",
    [runId, path],
  );
  return rows.length > 0;
}

export type Ending = {
  path: string;
  state: 'done' | 'failed' | 'skipped';
  output?: unknown;
  code?: RunRefusal | undefined;
  refusal?: string | undefined;
};

export async function endStep(sql: Sql, keyring: Keyring, runId: string, step: Ending): Promise<void> {
  const { path, state, output, code, refusal } = step;
  const where = rowOf(runId, path);
  await sql(
    `UPDATE run_steps SET state = $3, sealed_output = $4, refusal_code = $5, sealed_refusal = $6, ended_at = now()
     WHERE run_id = $1 AND path = $2`,
    [
      runId,
      path,
      state,
      seal(keyring, 'sealed_output', where, output),
      code ?? null,
      seal(keyring, 'sealed_refusal', where, refusal),
    ],
  );
}

export async function noteProgress(sql: Sql, runId: string, path: string, progress: number): Promise<void> {
  await sql('UPDATE run_steps SET progress = $3 WHERE run_id = $1 AND path = $2', [runId, path, progress]);
}
