import type { ApprovalState } from '../../policies/run.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/** What runs ask people. An answer is written by the API and read by the run, which is only told to look. */
export type Asking = { runId: string; path: string; role: string; question: string; timeoutSeconds: number };

const rowOf = (runId: string, path: string): string => `${runId}/${path}`;

/** Asked once; a repeated attempt finds the question standing, and a new round asks anew what was not approved. */
export async function askApproval(sql: Sql, keyring: Keyring, asking: Asking): Promise<string> {
  const { runId, path, role, question, timeoutSeconds } = asking;
  const [row] = await sql<{ expires_at: Date }>(
    `INSERT INTO run_approvals AS a (run_id, path, role, sealed_question, expires_at)
     VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
     ON CONFLICT (run_id, path) DO UPDATE SET
       state = CASE WHEN a.state = 'approved' THEN a.state ELSE 'open' END,
       expires_at = CASE WHEN a.state = 'open' THEN a.expires_at ELSE excluded.expires_at END,
       answered_by = CASE WHEN a.state = 'approved' THEN a.answered_by END,
       answered_at = CASE WHEN a.state = 'approved' THEN a.answered_at END,
       sealed_comment = CASE WHEN a.state = 'approved' THEN a.sealed_comment END
     RETURNING expires_at`,
    [
      runId,
      path,
      role,
      keyring.seal('run_approvals.sealed_question', rowOf(runId, path), question),
      timeoutSeconds,
    ],
  );
  if (!row) throw new Error('bug: an approval was asked for and is not there');
  return row.expires_at.toISOString();
}

export async function expireApproval(sql: Sql, runId: string, path: string): Promise<void> {
  await sql(
    `UPDATE run_approvals SET state = 'expired' WHERE run_id = $1 AND path = $2 AND state = 'open' AND expires_at <= now()`,
    [runId, path],
  );
}

export async function withdrawApprovals(sql: Sql, runId: string): Promise<void> {
  await sql("UPDATE run_approvals SET state = 'withdrawn' WHERE run_id = $1 AND state = 'open'", [runId]);
}

/** Paths of what has been answered or has expired. */
export async function answeredApprovals(sql: Sql, runId: string): Promise<string[]> {
  const rows = await sql<{ path: string }>(
    `SELECT path FROM run_approvals WHERE run_id = $1 AND state IN ('approved', 'rejected', 'expired')`,
    [runId],
  );
  return rows.map((row) => row.path);
}

export type Answer = {
  state: Exclude<ApprovalState, 'open' | 'withdrawn'>;
  by: string | null;
  comment: string | null;
  at: string | null;
};

export async function answerOf(
  sql: Sql,
  keyring: Keyring,
  runId: string,
  path: string,
): Promise<Answer | undefined> {
  const [row] = await sql<ApprovalRow>(
    `SELECT ${columns} FROM run_approvals WHERE run_id = $1 AND path = $2`,
    [runId, path],
  );
  if (!row || row.state === 'open' || row.state === 'withdrawn') return undefined;
  const { by, comment, at } = presentApproval(keyring, runId, row);
  return { state: row.state, by, comment, at };
}

export type ApprovalRow = {
  path: string;
  role: string;
  state: ApprovalState;
  sealed_question: Buffer;
  sealed_comment: Buffer | null;
  asked_at: Date;
  expires_at: Date;
  answered_by: string | null;
  answered_at: Date | null;
};

const columns =
  'path, role, state, sealed_question, sealed_comment, asked_at, expires_at, answered_by, answered_at';

export function presentApproval(keyring: Keyring, runId: string, row: ApprovalRow) {
  const where = rowOf(runId, row.path);
  return {
    path: row.path,
    role: row.role,
    state: row.state,
    question: keyring.open('run_approvals.sealed_question', where, row.sealed_question),
    askedAt: row.asked_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    by: row.answered_by,
    at: row.answered_at?.toISOString() ?? null,
    comment: row.sealed_comment
      ? keyring.open('run_approvals.sealed_comment', where, row.sealed_comment)
      : null,
  };
}

export function approvalsIn(sql: Sql, runId: string): Promise<ApprovalRow[]> {
  return sql<ApprovalRow>(`SELECT ${columns} FROM run_approvals WHERE run_id = $1 ORDER BY asked_at, path`, [
    runId,
  ]);
}

export async function holdApproval(sql: Sql, runId: string, path: string): Promise<ApprovalRow | undefined> {
  const [row] = await sql<ApprovalRow>(
    `SELECT ${columns} FROM run_approvals WHERE run_id = $1 AND path = $2 FOR UPDATE`,
    [runId, path],
  );
  return row;
}

export type Verdict = { verdict: 'approved' | 'rejected'; comment?: string | undefined; by: string };

export async function answerApproval(
  sql: Sql,
  keyring: Keyring,
  { runId, path }: { runId: string; path: string },
  { verdict, comment, by }: Verdict,
): Promise<void> {
  const sealed = comment ? keyring.seal('run_approvals.sealed_comment', rowOf(runId, path), comment) : null;
  await sql(
    `UPDATE run_approvals SET state = $3, answered_by = $4, answered_at = now(), sealed_comment = $5
     WHERE run_id = $1 AND path = $2`,
    [runId, path, verdict, by, sealed],
  );
}
