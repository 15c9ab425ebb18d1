import { setTimeout as pause } from 'node:timers/promises';
import type { Row } from '../models/batch.ts';
import { readInSystem, type SystemScope } from '../models/scope.ts';
import { markChecked, openOperation, operationById, type Startable } from '../models/system/operation.ts';
import { type TenantState, transitionFault } from '../policies/lifecycle.ts';
import {
  isEnded,
  type LifecycleKind,
  type OperationKind,
  type OperationState,
} from '../policies/operation.ts';
import { planAt } from '../policies/plans.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Log } from '../telemetry.ts';
import { TemporalUnavailable } from '../temporal/client.ts';
import { startOperation, watchOperation } from '../temporal/start.ts';
import { presentOperation } from './present.ts';
import type { Answer } from './route.ts';

/** Beginning operations and following them: what every lifecycle route shares. */
export type Beginning = {
  /** The tenant as the directory has it. */
  tenant: Row;
  kind: LifecycleKind;
  input?: Record<string, unknown>;
  principal: Principal;
  requestId: string;
  log: Log;
};

/** Checks the transition, writes the operation, and says how to start its workflow once that is committed. */
export async function begin(system: SystemScope, asked: Beginning) {
  const { tenant, kind, principal, requestId, log } = asked;
  const tenantId = String(tenant.id);
  const state = tenant.state as TenantState; // the column's CHECK allows no other
  const input = { ...asked.input, previous: state };
  const id = await openOperation(system, { tenantId, kind, principal, input, requestId }, () =>
    fault(kind, state),
  );
  const { weight } = planAt(String(tenant.plan), Number(tenant.plan_version));
  const startable: Startable = {
    operationId: id,
    tenantId,
    region: String(tenant.region),
    kind,
    principal,
    input,
    weight,
    requestId,
  };
  return {
    link: { id, href: `/v1/operations/${id}`, kind, state: 'running' as OperationState },
    afterCommit: () => startNow(startable, log),
  };
}

function fault(kind: LifecycleKind, state: TenantState): void {
  const sentence = kind === 'provision-tenant' ? undefined : transitionFault(kind, state);
  if (sentence) throw new Refusal('conflict', sentence);
}

/** The operation is committed; if Temporal cannot be reached now, the sweep starts it as soon as it can. */
export async function startNow(startable: Startable, log: Log): Promise<void> {
  const { operationId } = startable;
  try {
    const outcome = await startOperation(startable);
    if (outcome === 'blocked')
      log.warn({ operationId }, 'the tenant’s former operation has not closed yet; left to the sweep');
    else await markChecked(operationId);
  } catch (error) {
    log.warn({ operationId, error: String(error) }, 'the workflow was not started; left to the sweep');
  }
}

export function accepted(
  body: object,
  operation: { href: string },
): Pick<Answer, 'status' | 'body' | 'headers'> {
  return { status: 202, body, headers: { Location: operation.href } };
}

/** A stored operation as temporal/start.ts finds its workflow. */
export const whichOperation = (row: Row) => ({
  operationId: String(row.id),
  tenantId: String(row.tenant_id),
  kind: row.kind as OperationKind, // written from this type
});

/** The stored operation, with the steps as the workflow itself knows them while it runs. */
export async function currentOperation(row: Row) {
  const stored = presentOperation(row);
  if (isEnded(row.state as OperationState)) return stored;
  try {
    const live = await watchOperation(whichOperation(row));
    return live === 'not-running' ? stored : { ...stored, ...live };
  } catch (error) {
    if (error instanceof TemporalUnavailable) return stored;
    throw error;
  }
}

const firstPauseMs = 20;
const longestPauseMs = 250;

/** Waits until the operation is not as it was, or the time is over. */
export async function changedOperation(row: Row, waitSeconds: number) {
  const deadline = Date.now() + waitSeconds * 1000;
  let shown = await currentOperation(row);
  const before = JSON.stringify(shown);
  for (let wait = firstPauseMs; Date.now() < deadline; wait = Math.min(wait * 1.3, longestPauseMs)) {
    if (isEnded(shown.state as OperationState) || JSON.stringify(shown) !== before) break;
    await pause(wait);
    const [rows] = await readInSystem('platform', [operationById(String(row.id))]);
    shown = await currentOperation(rows?.[0] ?? row);
  }
  return shown;
}
