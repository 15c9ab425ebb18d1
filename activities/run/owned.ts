import { auditInTenant } from '../../models/audit.ts';
import type { Row, Statement } from '../../models/batch.ts';
import type { Place, Sql } from '../../models/scope.ts';
import { principalById, standingOf } from '../../models/tenant/credential.ts';
import type { Reader } from '../../models/tenant/readable.ts';
import { rightsOf } from '../../models/tenant/rights.ts';
import { authorize } from '../../policies/authorize.ts';
import { planAt } from '../../policies/plans.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunLabels } from '../../policies/run.ts';
import { type StartTarget, targetOf } from '../../policies/run-start.ts';
import { beginRun } from '../../temporal/begin-run.ts';

/**
 * Runs that nobody asks for at the time: in the name of the owner of what starts them, as if they had asked, with what
 * they may at this moment. Somebody who was deactivated, or lost the right, starts nothing any more.
 */
export type OwnedStart = {
  principal: Extract<Principal, { tenantId: string }>;
  ownerId: string;
  target: StartTarget;
  environment: 'draft' | 'live';
  input: Record<string, unknown>;
  labels: RunLabels;
  origin: 'schedule' | 'trigger';
  originId: string;
  requestId?: string | undefined;
};

type In = { sql: Sql; place: Place & { region: string } };

/** As rows of run_schedules and triggers have it. */
export const ownedBy = (row: Row) => ({
  // A Principal of this tenant, written when it was made or changed.
  principal: row.principal as Extract<Principal, { tenantId: string }>,
  ownerId: String(row.owner_id),
  originId: String(row.id),
  environment: row.environment === 'draft' ? ('draft' as const) : ('live' as const),
  target: targetOf({
    agentId: typeof row.agent_id === 'string' ? row.agent_id : undefined,
    workflowId: typeof row.workflow_id === 'string' ? row.workflow_id : undefined,
  }),
});

export async function beginOwnedRun(where: In, start: OwnedStart): Promise<string> {
  const { sql, place } = where;
  const reader = await insistOnOwner(where, start);
  const [tenant] = await sql<{ plan: string; plan_version: number }>('SELECT plan, plan_version FROM tenant');
  if (!tenant) throw new Error('bug: a tenant without its row');
  const { environment, ...asked } = start;
  const { weight } = planAt(tenant.plan, tenant.plan_version);
  const runId = await beginRun(sql, place, { ...asked, which: environment, weight, reader });
  const { principal: actor, origin, originId, requestId } = start;
  await auditInTenant(sql, {
    actor,
    action: 'start Run',
    subject: { type: 'Run', id: runId },
    outcome: 'done',
    rule: `may start Run, asked for by ${origin} ${originId}`,
    requestId,
    details: { origin, originId, ...start.target },
  });
  return runId;
}

async function insistOnOwner(
  { sql, place }: In,
  { principal, ownerId, target }: OwnedStart,
): Promise<Reader> {
  const ask = ({ text, values }: Statement) => sql<Row>(text, values);
  const [row] = await ask(principalById(place.tenantId, principal.id));
  const rights = await rightsOf(place.tenantId, standingOf(row ?? {}), ask);
  const ids = [principal.id, ownerId];
  if (!authorize(rights, 'start', { type: 'Run', object: { ownerId }, ids }).allowed)
    throw new Refusal('forbidden', 'Its owner may not start runs (any more).');
  const [type, found] =
    'agentId' in target
      ? (['Agent', await sql<Row>('SELECT * FROM agents WHERE id = $1', [target.agentId])] as const)
      : (['Workflow', await sql<Row>('SELECT * FROM workflows WHERE id = $1', [target.workflowId])] as const);
  if (!found[0])
    throw new Refusal('unprocessable', `What it starts, ${type.toLowerCase()}, is not there any more.`);
  if (!authorize(rights, 'read', { type, object: found[0], ids }).allowed)
    throw new Refusal('forbidden', 'Its owner may not see what it starts (any more).');
  return { rights, ids };
}
