import { auditInSystem } from '../models/audit.ts';
import { inSystem } from '../models/scope.ts';
import { closeOperation } from '../models/system/operation.ts';
import type { Principal } from '../policies/principal.ts';
import type { Close } from './activity.ts';

/**
 * How an errand ends: its operation is closed and the platform's trail says so, by ids alone, in one transaction. What
 * it did to the tenant's people stands in the tenant's own trail, written with the change. The tenant's row is none
 * of an errand's business. A repeated step finds the operation closed and changes nothing.
 */
export type ErrandEnding = {
  close: Close;
  by: Principal;
  state: 'succeeded' | 'failed' | 'cancelled';
  subject: { type: string; id: string };
  /** What became of it, in a word or an id: never anything a person wrote. */
  result?: Record<string, string>;
  /** Why it did not succeed. */
  reason?: string | undefined;
};

const outcomes = { succeeded: 'done', failed: 'failed', cancelled: 'cancelled' } as const;

export async function closeErrand({
  close,
  by,
  state,
  subject,
  result,
  reason,
}: ErrandEnding): Promise<void> {
  const { tenantId, operationId, steps } = close;
  await inSystem(tenantId, async (system) => {
    const problem = reason ? { title: 'The operation did not succeed.', detail: reason } : undefined;
    const closed = await closeOperation(system, { operationId, state, steps, result, problem });
    if (!closed) return;
    const event = {
      actor: by,
      action: closed.kind,
      subject,
      outcome: outcomes[state],
      reason,
      requestId: closed.requestId ?? undefined,
      operationId,
      details: { ...result },
    };
    await auditInSystem(system.sql, event, tenantId);
  });
}
