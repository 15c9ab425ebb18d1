import { Refusal } from '../../policies/refusal.ts';
import { newId } from '../ids.ts';
import type { TenantScope } from '../scope.ts';

/** Invitations: single use, bound to one person of one tenant, their token kept only as a hash. */
export const validDays = 7;

export function emailKey(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}

/** The first administrator's user and invitation; the same ones when asked again. */
export async function inviteOwner(tenant: TenantScope, email: string, name: string): Promise<void> {
  const key = emailKey(email);
  const [known] = await tenant.sql<{ id: string }>('SELECT id FROM users WHERE email_key = $1', [key]);
  const userId = known?.id ?? newId('usr');
  if (!known) await tenant.User.create({ id: userId, email, emailKey: key, name, state: 'invited' });
  await tenant.sql(
    "INSERT INTO role_assignments (principal_id, role) VALUES ($1, 'owner') ON CONFLICT DO NOTHING",
    [userId],
  );
  await tenant.sql(
    `INSERT INTO invitations (id, user_id, roles, state, expires_at)
     SELECT $1, $2, '{owner}', 'pending', now() + make_interval(days => ${validDays})
     WHERE NOT EXISTS (SELECT FROM invitations WHERE user_id = $2)`,
    [newId('inv'), userId],
  );
}

export type Unsent = { id: string; email: string; name: string; expiresAt: Date };

/** The first administrator's invitation if no mail has left yet. */
export async function unsentInvitation({ sql }: TenantScope): Promise<Unsent | undefined> {
  const [row] = await sql<Unsent>(
    `SELECT i.id, u.email, u.name, i.expires_at AS "expiresAt" FROM invitations i JOIN users u ON u.id = i.user_id
     WHERE i.state = 'pending' AND i.sent_at IS NULL ORDER BY i.id LIMIT 1`,
  );
  return row;
}

export async function setInvitationToken({ sql }: TenantScope, id: string, tokenHash: string): Promise<void> {
  await sql('UPDATE invitations SET token_hash = $2 WHERE id = $1', [id, tokenHash]);
}

export async function markInvitationSent({ sql }: TenantScope, id: string): Promise<void> {
  await sql('UPDATE invitations SET sent_at = now() WHERE id = $1', [id]);
}

/** Turns an invitation into an account. Any token that does not open one is answered alike. */
export async function acceptInvitation(
  tenant: TenantScope,
  tokenHash: string,
  given: { name: string; passwordHash: string },
): Promise<{ userId: string; invitationId: string }> {
  const [row] = await tenant.sql<{ id: string; user_id: string }>(
    `UPDATE invitations SET state = 'accepted', accepted_at = now()
     WHERE token_hash = $1 AND state = 'pending' AND expires_at > now() RETURNING id, user_id`,
    [tokenHash],
  );
  if (!row)
    throw new Refusal('not-found', 'This invitation is not valid: it may be used, expired or withdrawn.');
  await tenant.sql("UPDATE users SET state = 'active', name = $2 WHERE id = $1", [row.user_id, given.name]);
  await tenant.Identity.create({
    id: newId('idn'),
    userId: row.user_id,
    kind: 'password',
    secret: given.passwordHash,
  });
  return { userId: row.user_id, invitationId: row.id };
}
