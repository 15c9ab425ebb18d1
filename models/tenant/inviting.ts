import type { Principal } from '../../policies/principal.ts';
import { auditInTenant } from '../audit.ts';
import { newId } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { TenantScope } from '../scope.ts';
import { validDays } from './invitation.ts';
import { addPerson, describePerson, emailIndex } from './person.ts';

/**
 * Making invitations, sending them again, taking them back. An invitation whose time is over counts as expired from
 * that moment on, whether or not its errand has noticed.
 */
export type Invitee = { email: string; name?: string | undefined; roles: string[] };

export type Errand = { operationId: string; by: Principal };

/** Until the person says what they are called. */
const placeholderOf = (email: string) => email.slice(0, email.lastIndexOf('@'));

export async function invite(
  tenant: TenantScope,
  { email, name, roles }: Invitee,
  { operationId, by }: Errand,
): Promise<string> {
  const key = emailIndex(await keyringWithin(tenant.sql), email);
  const [known] = await tenant.sql<{ id: string }>('SELECT id FROM users WHERE email_key = $1 FOR UPDATE', [
    key,
  ]);
  const userId = known?.id ?? newId('usr');
  if (known) {
    await describePerson(tenant.sql, userId, { email, name });
    await expireOverdue(tenant, userId, by);
  } else
    await addPerson(tenant.sql, { id: userId, email, name: name ?? placeholderOf(email), state: 'invited' });
  const id = newId('inv');
  await tenant.sql(
    `INSERT INTO invitations (id, user_id, roles, state, invited_by, operation_id, expires_at)
     VALUES ($1, $2, ARRAY(SELECT jsonb_array_elements_text($3::jsonb)), 'pending', $4, $5,
       now() + make_interval(days => ${validDays}))`,
    [id, userId, JSON.stringify(roles), by.id, operationId],
  );
  return id;
}

/** Another token, another seven days, another errand: what was mailed before opens nothing from now on. */
export async function promiseAnew(
  { sql }: TenantScope,
  invitationId: string,
  { operationId, by }: Errand,
): Promise<void> {
  await sql(
    `UPDATE invitations SET state = 'pending', token_hash = NULL, operation_id = $2, invited_by = $3, issued_at = now(),
       expires_at = now() + make_interval(days => ${validDays}), sent_at = NULL, reminded_at = NULL, ended_at = NULL,
       version = version + 1
     WHERE id = $1`,
    [invitationId, operationId, by.id],
  );
}

export async function revokeInvitation({ sql }: TenantScope, invitationId: string): Promise<void> {
  await sql(
    `UPDATE invitations SET state = 'revoked', token_hash = NULL, ended_at = now(), version = version + 1
     WHERE id = $1`,
    [invitationId],
  );
}

type Ended = { id: string; operationId: string | null };
type Why = { by: Principal; reason: string; requestId: string };

/**
 * The invitations of somebody whose access ends, and of their keys: an invitation is its inviter's word. Each is told
 * of in the trail; their errands are to be told after the commit.
 */
export async function revokeInvitationsBy(
  { sql }: TenantScope,
  userId: string,
  { by, reason, requestId }: Why,
): Promise<string[]> {
  const ended = await sql<Ended>(
    `UPDATE invitations SET state = 'revoked', token_hash = NULL, ended_at = now(), version = version + 1
     WHERE state = 'pending' AND expires_at > now()
       AND (invited_by = $1 OR invited_by IN (SELECT id FROM api_keys WHERE owner_id = $1))
     RETURNING id, operation_id AS "operationId"`,
    [userId],
  );
  for (const { id } of ended)
    await auditInTenant(sql, {
      actor: by,
      action: 'revoke Invitation',
      subject: { type: 'Invitation', id },
      outcome: 'done',
      reason,
      requestId,
      before: { state: 'pending' },
      after: { state: 'revoked' },
    });
  return ended.flatMap(({ operationId }) => operationId ?? []);
}

/** Frees the way for another invitation of this person: one that is over is written down as expired. */
async function expireOverdue({ sql }: TenantScope, userId: string, by: Principal): Promise<void> {
  const [ended] = await sql<Ended>(
    `UPDATE invitations SET state = 'expired', token_hash = NULL, ended_at = now(), version = version + 1
     WHERE user_id = $1 AND state = 'pending' AND expires_at <= now() RETURNING id`,
    [userId],
  );
  if (!ended) return;
  await auditInTenant(sql, {
    actor: by,
    action: 'expire Invitation',
    subject: { type: 'Invitation', id: ended.id },
    outcome: 'done',
    before: { state: 'pending' },
    after: { state: 'expired' },
  });
}
