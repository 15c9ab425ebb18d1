import {
  type LifecycleKind,
  type OperationKind,
  type OperationState,
  percentOf,
  type StepRecord,
} from '../../policies/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Statement } from '../batch.ts';
import { newId } from '../ids.ts';
import { inSystem, isDuplicate, type SystemScope } from '../scope.ts';

/**
 * The stored side of operations: written when one is asked for, mirrored while it runs long, closed with its last
 * step. The row is also the outbox: an operation that was committed and never started is found by the sweep.
 */
export type NewOperation = {
  tenantId: string;
  kind: LifecycleKind;
  principal: Principal;
  input?: Record<string, unknown>;
  requestId?: string | undefined;
};

/**
 * Throws `operation-running`, naming the first, when the tenant already has one under way; only then is `check`
 * asked, because while one runs the tenant's state is about to change.
 */
export async function openOperation(
  system: SystemScope,
  asked: NewOperation,
  check: () => void,
): Promise<string> {
  const [running] = await system.sql<{ id: string; kind: string; state: string }>(
    "SELECT id, kind, state FROM operations WHERE tenant_id = $1 AND exclusive AND state IN ('running', 'parked')",
    [asked.tenantId],
  );
  if (running) throw inTheWay(running);
  check();
  const id = newId('op');
  try {
    await system.Operation.create({ id, state: 'running', ...asked, requestId: asked.requestId ?? null });
  } catch (cause) {
    if (isDuplicate(cause))
      throw new Refusal('operation-running', 'Another operation has just begun for this tenant.', { cause });
    throw cause;
  }
  return id;
}

function inTheWay({ id, kind, state }: { id: string; kind: string; state: string }): Refusal {
  return new Refusal(
    'operation-running',
    `${kind} ${id} is ${state} for this tenant; wait for it to end, or cancel it.`,
    {
      extra: { operation: { id, kind, state, href: `/v1/operations/${id}` } },
    },
  );
}

export type Closing = {
  operationId: string;
  state: OperationState;
  steps: StepRecord[];
  result?: object | undefined;
  problem?: object | undefined;
};

/** What was asked for, to be told in the audit trail; undefined when it was closed before. */
export type Closed = { kind: OperationKind; reason: string | null; requestId: string | null };

/** A repeated closing step finds the operation closed and changes nothing. */
export async function closeOperation(system: SystemScope, closing: Closing): Promise<Closed | undefined> {
  const [closed] = await system.sql<Closed>(
    `UPDATE operations SET state = $2, steps = $3::jsonb, result = $4::jsonb, problem = $5::jsonb, percent = $6,
       ended_at = now(), updated_at = now()
     WHERE id = $1 AND state IN ('running', 'parked')
     RETURNING kind, input->>'reason' AS reason, request_id AS "requestId"`,
    [
      closing.operationId,
      closing.state,
      JSON.stringify(closing.steps),
      closing.result ? JSON.stringify(closing.result) : null,
      closing.problem ? JSON.stringify(closing.problem) : null,
      closing.state === 'succeeded' ? 100 : percentOf(closing.steps),
    ],
  );
  return closed;
}

export type Mirror = {
  operationId: string;
  steps: StepRecord[];
  percent: number;
  state: 'running' | 'parked';
};

export async function mirrorOperation(mirror: Mirror): Promise<void> {
  await inSystem('platform', ({ sql }) =>
    sql(
      `UPDATE operations SET steps = $2::jsonb, percent = $3, state = $4, updated_at = now()
       WHERE id = $1 AND state IN ('running', 'parked')`,
      [mirror.operationId, JSON.stringify(mirror.steps), mirror.percent, mirror.state],
    ),
  );
}

const columns = `id, tenant_id, kind, state, principal, steps, percent, result, problem, request_id, created_at,
  updated_at, ended_at`;

export function operationById(id: string): Statement {
  return { text: `SELECT ${columns} FROM operations WHERE id = $1`, values: [id] };
}

export type OperationFilter = {
  tenantId?: string | undefined;
  kind?: string | undefined;
  state?: string | undefined;
};

export function operationList(filter: OperationFilter, after: string | undefined, limit: number): Statement {
  return {
    text: `SELECT ${columns} FROM operations
           WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR state = $3)
             AND ($4::text IS NULL OR id < $4)
           ORDER BY id DESC LIMIT $5`,
    values: [filter.tenantId ?? null, filter.kind ?? null, filter.state ?? null, after ?? null, limit],
  };
}

/** What starting an operation's workflow needs; the sweep reads it back from the row. */
export type Startable = {
  operationId: string;
  tenantId: string;
  region: string;
  kind: OperationKind;
  principal: Principal;
  input: Record<string, unknown>;
  weight: number;
  requestId?: string | undefined;
};

const unstartedAfterSeconds = 5;
const recheckedAfterSeconds = 300;
// Errands wait for days, and there may be thousands.
const errandRecheckedAfterSeconds = 21_600;

/**
 * Operations that should be running and may not be: committed but never started (the process died in between, or
 * Temporal was away), or not looked at for a while (somebody terminated the workflow). Starting one that runs
 * changes nothing, so this need not be exact.
 */
export async function unstartedOperations(limit: number): Promise<Startable[]> {
  return inSystem('platform', ({ sql }) =>
    sql<Startable>(
      `SELECT o.id AS "operationId", o.tenant_id AS "tenantId", t.region, o.kind, o.principal, o.input,
         o.request_id AS "requestId", (p.terms->>'weight')::float8 AS weight
       FROM operations o JOIN tenants t ON t.id = o.tenant_id
         JOIN plans p ON p.name = t.plan AND p.version = t.plan_version
       WHERE o.state IN ('running', 'parked') AND (
         (o.checked_at IS NULL AND o.created_at < now() - make_interval(secs => ${unstartedAfterSeconds}))
         OR o.checked_at < now() - make_interval(
           secs => CASE WHEN o.exclusive THEN ${recheckedAfterSeconds} ELSE ${errandRecheckedAfterSeconds} END))
       ORDER BY o.id LIMIT $1`,
      [limit],
    ),
  );
}

/** Notes that the workflow was seen running just now. */
export async function markChecked(operationId: string): Promise<void> {
  await inSystem('platform', ({ sql }) =>
    sql('UPDATE operations SET checked_at = now() WHERE id = $1', [operationId]),
  );
}
