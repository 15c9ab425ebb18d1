import { newId } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { TenantScope } from '../scope.ts';
import { addPerson, emailIndex, opened, type SealedPerson } from './person.ts';

/** Invitations: single use, bound to one person of one tenant, their token kept only as a hash. */
export const validDays = 7;

/** The first administrator's user and invitation; the same ones when asked again. */
export async function inviteOwner(tenant: TenantScope, email: string, name: string): Promise<void> {
  const key = emailIndex(await keyringWithin(tenant.sql), email);
  const [known] = await tenant.sql<{ id: string }>('SELECT id FROM users WHERE email_key = $1', [key]);
  const userId = known?.id ?? newId('usr');
  if (!known) await addPerson(tenant.sql, { id: userId, email, name, state: 'invited' });
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
  const [row] = await sql<Omit<Unsent, 'email' | 'name'> & SealedPerson & { userId: string }>(
    `SELECT i.id, u.id AS "userId", u.sealed_email, u.sealed_name, i.expires_at AS "expiresAt" FROM invitations i JOIN users u ON u.id = i.user_id
     WHERE i.state = 'pending' AND i.sent_at IS NULL ORDER BY i.id LIMIT 1`,
  );
  return row && opened(await keyringWithin(sql), row.userId, row);
}

export async function setInvitationToken({ sql }: TenantScope, id: string, tokenHash: string): Promise<void> {
  await sql('UPDATE invitations SET token_hash = $2 WHERE id = $1', [id, tokenHash]);
}

export async function markInvitationSent({ sql }: TenantScope, id: string): Promise<void> {
  await sql('UPDATE invitations SET sent_at = now() WHERE id = $1', [id]);
}
