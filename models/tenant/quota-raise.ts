import type { Principal } from '../../policies/principal.ts';
import { decidedWithinDays, planLimitOf, type RequestState } from '../../policies/quota-request.ts';
import { auditInTenant } from '../audit.ts';
import type { Sql } from '../scope.ts';
import { tell } from './notification.ts';
import { lockRules } from './quota.ts';
import type { Decider } from './quota-request.ts';
import { queueWebhook } from './webhook.ts';

/**
 * What a request's errand (workflows/raise-quota.ts) does to the limit. A raise for a time stands in the limit's row with
 * its end, so it holds no longer than that whether or not anybody takes it back. Of several for one limit the highest
 * that is not over holds: whenever one begins or ends, the row is written anew from all of them.
 */
type Request = {
  id: string;
  operation_id: string;
  quota_id: string;
  amount: string;
  owner_id: string;
  state: RequestState;
  decided_by: Decider | null;
  decision_reason: string | null;
  granted: string | null;
  granted_until: Date | null;
  previous: { amount: number; origin: string } | null;
  raised_at: Date | null;
  ended_at: Date | null;
  lapses_at: Date;
  lapsed: boolean;
  over: boolean;
};

/** In turn with everything that changes limits. */
async function locked(sql: Sql, id: string): Promise<Request | undefined> {
  await lockRules(sql, 'to change');
  const lapse = `created_at + make_interval(days => ${decidedWithinDays})`;
  const [row] = await sql<Request>(
    `SELECT id, operation_id, quota_id, amount, owner_id, state, decided_by, decision_reason, granted, granted_until,
       previous, raised_at, ended_at, ${lapse} AS lapses_at, ${lapse} <= now() AS lapsed,
       coalesce(granted_until <= now(), false) AS over
     FROM quota_requests WHERE id = $1 FOR UPDATE`,
    [id],
  );
  return row;
}

/** Until when a decision is waited for; undefined once there is nothing to wait for. */
export async function decisionDue(sql: Sql, id: string): Promise<Date | undefined> {
  const request = await locked(sql, id);
  return request?.state === 'waiting' && !request.lapsed ? request.lapses_at : undefined;
}

export type Raised = { until?: Date; changed: boolean };

/** Carries a grant out, once; says until when it holds. Nothing when there is none, or not any more. */
export async function raise(sql: Sql, id: string): Promise<Raised> {
  const request = await locked(sql, id);
  if (request?.state !== 'approved' || request.over) return { changed: false };
  const changed = request.raised_at === null;
  if (changed) await carryOut(sql, request);
  return { changed, ...(request.granted_until && { until: request.granted_until }) };
}

async function carryOut(sql: Sql, request: Request): Promise<void> {
  if (request.granted_until) {
    await sql('UPDATE quota_requests SET raised_at = now() WHERE id = $1', [request.id]);
    await applyRaises(sql, request.quota_id, 'unless more holds', request);
  } else {
    await sql(
      `UPDATE quota_requests r SET raised_at = now(), previous = jsonb_build_object('amount', q.amount, 'origin', q.origin)
       FROM quotas q WHERE r.id = $1 AND q.id = r.quota_id`,
      [request.id],
    );
    await sql(
      `UPDATE quotas SET amount = greatest(amount, $2), origin = 'operator', version = version + 1, updated_at = now()
       WHERE id = $1`,
      [request.quota_id, request.granted],
    );
  }
  await record(sql, request, { action: 'raise Quota', details: { granted: Number(request.granted) } });
  await tellAbout(sql, request, { kind: 'quota.request-decided', outcome: 'approved' });
}

/** Ends the request, in whatever way; undefined while there is still something to wait for. */
export async function settle(
  sql: Sql,
  id: string,
): Promise<{ outcome: RequestState; changed: boolean } | undefined> {
  const request = await locked(sql, id);
  // Its transaction was never committed.
  if (!request) return { outcome: 'withdrawn', changed: false };
  const { state, granted_until, over, lapsed, ended_at } = request;
  if ((state === 'waiting' && !lapsed) || (state === 'approved' && granted_until && !over)) return undefined;
  if (ended_at) return { outcome: state, changed: false };
  const outcome = state === 'waiting' ? 'lapsed' : over && state === 'approved' ? 'reverted' : state;
  await endAs(sql, request, outcome);
  return { outcome, changed: true };
}

async function endAs(sql: Sql, request: Request, outcome: RequestState): Promise<void> {
  await sql('UPDATE quota_requests SET state = $2, ended_at = now() WHERE id = $1', [request.id, outcome]);
  if (request.raised_at) await applyRaises(sql, request.quota_id, 'if it holds', request);
  // Of a raise without an end everything was said when it began.
  if (outcome === 'approved') return;
  const action =
    outcome === 'refused' ? 'refuse QuotaRequest' : request.raised_at ? 'lower Quota' : 'close QuotaRequest';
  await record(sql, request, { action, details: { outcome } });
  await tellAbout(sql, request, {
    kind: outcome === 'refused' ? 'quota.request-decided' : 'quota.request-ended',
    outcome,
  });
}

/** As if it had not been asked: what it raised is lowered, and the request says that it failed. One that is over stays. */
export async function takeBack(sql: Sql, id: string, outcome: 'failed' | 'withdrawn'): Promise<boolean> {
  const request = await locked(sql, id);
  if (!request || request.ended_at) return false;
  const { state, raised_at, previous, quota_id, granted } = request;
  if (raised_at && previous)
    // Only what still stands as it was raised: what somebody has set since is theirs.
    await sql(
      `UPDATE quotas SET amount = $2, origin = $3, version = version + 1, updated_at = now()
       WHERE id = $1 AND amount = $4`,
      [quota_id, previous.amount, previous.origin, granted],
    );
  await endAs(sql, request, state === 'waiting' || state === 'approved' ? outcome : state);
  return true;
}

/** What an operator has set by hand stays: a grant does not lower it, and the end of one does not end it. */
const applied = {
  'unless more holds': 'NOT coalesce(q.raised_until > now() AND q.raised_to > $2, false)',
  'if it holds': 'q.raised_to = $2 AND q.raised_until = $3',
};

async function applyRaises(
  sql: Sql,
  quotaId: string,
  when: keyof typeof applied,
  { granted, granted_until }: Pick<Request, 'granted' | 'granted_until'>,
): Promise<void> {
  await sql(
    `UPDATE quotas q SET version = version + 1, updated_at = now(), (raised_to, raised_until) = (
       SELECT granted, granted_until FROM quota_requests r
       WHERE r.quota_id = q.id AND r.state = 'approved' AND r.raised_at IS NOT NULL AND r.granted_until > now()
       ORDER BY granted DESC, granted_until DESC LIMIT 1)
     WHERE id = $1 AND ($3::timestamptz IS NULL OR ${applied[when]})`,
    [quotaId, granted, granted_until],
  );
}

/** Who decided is in the trail, as whom it was decided by; what the errand itself ends, it ends in its own name. */
async function record(
  sql: Sql,
  { id, quota_id, operation_id, decided_by }: Request,
  { action, details }: { action: string; details?: Record<string, unknown> },
): Promise<void> {
  const own: Principal = { kind: 'system', id: 'system:raise-quota' };
  const decided = action === 'raise Quota' || action === 'refuse QuotaRequest';
  await auditInTenant(sql, {
    actor: decided && decided_by && decided_by.kind !== 'rule' ? decided_by : own,
    action,
    subject: { type: 'QuotaRequest', id },
    outcome: 'done',
    operationId: operation_id,
    details: { quotaId: quota_id, ...(decided && { decidedBy: decided_by?.kind }), ...details },
  });
}

type Telling = { kind: 'quota.request-decided' | 'quota.request-ended'; outcome: RequestState };

async function tellAbout(sql: Sql, request: Request, { kind, outcome }: Telling): Promise<void> {
  const { id, quota_id: quotaId, granted, granted_until: until } = request;
  const data = {
    requestId: id,
    quotaId,
    outcome,
    asked: Number(request.amount),
    granted: granted === null ? null : Number(granted),
    until: until?.toISOString() ?? null,
  };
  await tell(sql, {
    kind,
    subject: { type: 'QuotaRequest', id },
    data,
    roles: planLimitOf(quotaId) ? ['owner', 'admin', 'billing'] : ['owner', 'admin'],
    also: request.owner_id,
  });
  await queueWebhook(sql, kind, data);
}
