import type { Principal } from '../../policies/principal.ts';
import type { RequestState } from '../../policies/quota-request.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';

/** Requests for more of a limit: asked for, decided, taken back. What a decision does is in quota-raise.ts. */
const columns = `id, operation_id, quota_id, amount, until, sealed_reason, owner_id, state, decided_by, decision_reason,
  granted, granted_until, raised_at, created_at, decided_at, ended_at`;

const sealedReason = 'quota_requests.sealed_reason';

export const reasonOf = (keyring: Keyring, { id, sealed_reason: sealed }: Row): string =>
  Buffer.isBuffer(sealed) ? keyring.open(sealedReason, String(id), sealed) : '';

/** By whom: an operator, of whom the organisation sees no more than that it was one, or the rule. */
export type Decider = Principal | { kind: 'rule' };

export type NewRequest = {
  operationId: string;
  quotaId: string;
  amount: number;
  until: Date | null;
  reason: string;
  ownerId: string;
  /** Why the rule grants it, if it does. */
  byRule?: string | undefined;
};

export async function addRequest(sql: Sql, keyring: Keyring, asked: NewRequest): Promise<Row> {
  const id = newId('qrq');
  const { operationId, quotaId, amount, until, ownerId, byRule } = asked;
  const [row = {}] = await sql<Row>(
    `INSERT INTO quota_requests (id, operation_id, quota_id, amount, until, sealed_reason, owner_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${columns}`,
    [id, operationId, quotaId, amount, until, keyring.seal(sealedReason, id, asked.reason), ownerId],
  );
  if (byRule === undefined) return row;
  const decision = {
    by: { kind: 'rule' as const },
    verdict: 'approve' as const,
    reason: byRule,
    amount,
    until,
  };
  const { text, values } = decide('', id, decision);
  const [decided = row] = await sql<Row>(text, values);
  return decided;
}

export function requestById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.quota_requests WHERE id = $1`, values: [id] };
}

export type RequestFilter = { state: string | undefined; cursor: string | undefined };

export function requestList(
  tenantId: string,
  { state, cursor }: RequestFilter,
  limit: number,
  visible?: Visible,
): Statement {
  const may = visible?.(4) ?? { text: 'true', values: [] };
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.quota_requests
           WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR id < $2) AND ${may.text}
           ORDER BY id DESC LIMIT $3`,
    values: [state ?? null, cursor ?? null, limit, ...may.values],
  };
}

export type Decision = {
  by: Decider;
  verdict: 'approve' | 'refuse';
  reason: string;
  amount: number;
  until: Date | null;
};

/** Once: of one that waits no longer no row comes back. Without a tenant it is said from inside it. */
export function decide(tenantId: string, id: string, decision: Decision): Statement {
  const { by, verdict, reason, amount, until } = decision;
  const table = tenantId === '' ? 'quota_requests' : `${schemaOf(tenantId)}.quota_requests`;
  const approved = verdict === 'approve';
  return {
    text: `UPDATE ${table} SET state = $2, decided_by = $3::jsonb, decision_reason = $4, granted = $5,
             granted_until = $6::timestamptz, decided_at = now()
           WHERE id = $1 AND state = 'waiting' RETURNING ${columns}`,
    values: [
      id,
      approved ? 'approved' : 'refused',
      JSON.stringify(by),
      reason,
      approved ? amount : null,
      approved && until ? until.toISOString() : null,
    ],
  };
}

/** While it waits, or while a raise for a time holds: the limit then falls at once. */
export async function withdrawRequest(sql: Sql, id: string): Promise<Row> {
  const [row] = await sql<Row>(
    `UPDATE quota_requests SET state = 'withdrawn'
     WHERE id = $1 AND (state = 'waiting' OR (state = 'approved' AND granted_until > now())) RETURNING ${columns}`,
    [id],
  );
  if (row) return row;
  const [{ state } = {}] = await sql<{ state: RequestState }>(
    'SELECT state FROM quota_requests WHERE id = $1',
    [id],
  );
  throw new Refusal(
    'conflict',
    `There is nothing to take back: it is ${state}${state === 'approved' ? ', without an end, or that is over' : ''}; read it to see what became of it.`,
  );
}

/** Whoever asks for more of a limit holds its row, so that two who ask at once take turns. */
export async function holdQuota(sql: Sql, quotaId: string): Promise<void> {
  await sql('SELECT id FROM quotas WHERE id = $1 FOR NO KEY UPDATE', [quotaId]);
}
