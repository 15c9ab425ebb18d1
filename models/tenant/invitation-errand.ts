import type { Principal } from '../../policies/principal.ts';
import { auditInTenant } from '../audit.ts';
import { keyringWithin } from '../keyring.ts';
import type { TenantScope } from '../scope.ts';
import { opened, type SealedPerson } from './person.ts';

/**
 * An invitation as its errand (workflows/invite-user.ts) sees it. An errand has a say only while the row names it and
 * is pending: one that was accepted, revoked, or sent again by another errand is left alone.
 */
export type InvitationErrand = { invitationId: string; operationId: string };

export type Pending = {
  email: string;
  name: string;
  expiresAt: Date;
  remindAt: Date;
  sentAt: Date | null;
  remindedAt: Date | null;
  tenantState: string;
};

export async function openInvitation(
  { sql }: TenantScope,
  { invitationId, operationId }: InvitationErrand,
): Promise<Pending | undefined> {
  const [row] = await sql<Omit<Pending, 'email' | 'name'> & SealedPerson & { userId: string }>(
    `SELECT u.id AS "userId", u.sealed_email, u.sealed_name, i.expires_at AS "expiresAt", i.sent_at AS "sentAt", i.reminded_at AS "remindedAt",
       i.issued_at + (i.expires_at - i.issued_at) / 2 AS "remindAt", t.state AS "tenantState"
     FROM invitations i JOIN users u ON u.id = i.user_id CROSS JOIN tenant t
     WHERE i.id = $1 AND i.operation_id = $2 AND i.state = 'pending' AND i.expires_at > now()`,
    [invitationId, operationId],
  );
  return row && opened(await keyringWithin(sql), row.userId, row);
}

const mailed = { sent_at: 'send Invitation', reminded_at: 'remind of Invitation' };

export async function noteMailed(
  { sql }: TenantScope,
  { invitationId, operationId }: InvitationErrand,
  column: keyof typeof mailed,
  by: Principal,
): Promise<void> {
  const [row] = await sql<{ at: Date }>(
    `UPDATE invitations SET ${column} = now(), version = version + 1
     WHERE id = $1 AND operation_id = $2 AND ${column} IS NULL RETURNING ${column} AS at`,
    [invitationId, operationId],
  );
  if (!row) return;
  await auditInTenant(sql, {
    actor: by,
    action: mailed[column],
    subject: { type: 'Invitation', id: invitationId },
    outcome: 'done',
    operationId,
    before: { [column]: null },
    after: { [column]: row.at.toISOString() },
  });
}

type Ended = { state: 'expired' | 'revoked'; by: Principal; reason?: string };

/** Ends a pending invitation of this errand; nothing when it is not, or no longer. */
async function end(
  { sql }: TenantScope,
  { invitationId, operationId }: InvitationErrand,
  { state, by, reason }: Ended,
): Promise<boolean> {
  const changed = await sql(
    `UPDATE invitations SET state = $3, ended_at = now(), token_hash = NULL, version = version + 1
     WHERE id = $1 AND operation_id = $2 AND state = 'pending' AND ($3 <> 'expired' OR expires_at <= now()) RETURNING id`,
    [invitationId, operationId, state],
  );
  if (changed.length === 0) return false;
  await auditInTenant(sql, {
    actor: by,
    action: state === 'expired' ? 'expire Invitation' : 'revoke Invitation',
    subject: { type: 'Invitation', id: invitationId },
    outcome: 'done',
    operationId,
    reason,
    before: { state: 'pending' },
    after: { state },
  });
  return true;
}

export type Outcome = 'accepted' | 'revoked' | 'expired' | 'resent';

/** What became of the invitation, which expires now if its time is over; undefined while it is still open. */
export async function settleInvitation(
  tenant: TenantScope,
  errand: InvitationErrand,
  by: Principal,
): Promise<Outcome | undefined> {
  if (await end(tenant, errand, { state: 'expired', by })) return 'expired';
  const [row] = await tenant.sql<{ state: Outcome | 'pending'; operationId: string }>(
    'SELECT state, operation_id AS "operationId" FROM invitations WHERE id = $1',
    [errand.invitationId],
  );
  // It went with the person it was for, or was never committed.
  if (!row) return 'revoked';
  if (row.operationId !== errand.operationId) return 'resent';
  return row.state === 'pending' ? undefined : row.state;
}

export async function withdraw(
  tenant: TenantScope,
  errand: InvitationErrand,
  { by, reason }: { by: Principal; reason: string },
): Promise<void> {
  await end(tenant, errand, { state: 'revoked', by, reason });
}
