import { auditInSystem } from '../models/audit.ts';
import { inSystem, type SystemScope } from '../models/scope.ts';
import type { Stored } from '../models/stored.ts';
import { type Closed, closeOperation } from '../models/system/operation.ts';
import type { TenantRow } from '../models/system/tables.ts';
import type { Principal } from '../policies/principal.ts';
import type { Close } from './activity.ts';

/**
 * How an operation ends. The step that ends it closes the operation, changes the tenant's row and writes the
 * platform's audit event in one transaction; a repeated one finds the operation closed and changes nothing.
 */
type Ending = {
  close: Close;
  by: Principal;
  outcome: 'succeeded' | 'failed' | 'cancelled';
  change: Partial<TenantRow> | ((closed: Closed, tenant: TenantRow) => Partial<TenantRow>);
  /** Why it did not succeed. */
  reason?: string | undefined;
  result?: object | undefined;
  also?: (system: SystemScope, tenant: Stored<TenantRow>) => Promise<void>;
};

const outcomes = { succeeded: 'done', failed: 'failed', cancelled: 'cancelled' } as const;

export async function end(ending: Ending): Promise<void> {
  const { close, by, outcome, change, reason, result, also } = ending;
  const { tenantId, operationId, steps } = close;
  await inSystem('platform', async (system) => {
    const problem = reason ? { title: 'The operation did not succeed.', detail: reason } : undefined;
    const closed = await closeOperation(system, { operationId, state: outcome, steps, result, problem });
    if (!closed) return;
    const tenant = await system.Tenant.findByPk(tenantId, { rejectOnEmpty: true });
    const from = tenant.state;
    const changed = typeof change === 'function' ? change(closed, tenant) : change;
    await tenant.update({ ...changed, version: tenant.version + 1, updatedAt: new Date() });
    await also?.(system, tenant);
    await auditInSystem(
      system.sql,
      {
        actor: by,
        action: closed.kind,
        subject: { type: 'Tenant', id: tenantId },
        outcome: outcomes[outcome],
        rule: ruleOf(by),
        reason: reason ?? closed.reason ?? undefined,
        requestId: closed.requestId ?? undefined,
        operationId,
        before: { state: from },
        after: { state: tenant.state },
        details: { from, to: tenant.state, steps: steps.map(timesOf) },
      },
      tenantId,
    );
  });
}

/** The asking itself is in the trail with the rule that allowed it; here is what allowed the carrying out. */
function ruleOf(by: Principal): string {
  if (by.kind !== 'system') return 'allowed when asked, and again before this step';
  return `${by.id} finishes what ${by.onBehalfOf ?? 'nobody'} asked for`;
}

const timesOf = ({ name, state, startedAt, endedAt, attempts }: Close['steps'][number]) => ({
  name,
  state,
  startedAt,
  endedAt,
  attempts,
});
