import { newId } from '../ids.ts';
import type { TenantScope } from '../scope.ts';
import { digest, newToken } from '../secrets.ts';
import { emailKey } from './invitation.ts';

/** Sign-in sessions. The token is shown once; only its hash is kept. */
export type Signing = { userId: string; name: string; secret: string };

export async function passwordOf({ sql }: TenantScope, email: string): Promise<Signing | undefined> {
  const [row] = await sql<Signing>(
    `SELECT u.id AS "userId", u.name, i.secret FROM users u JOIN identities i ON i.user_id = u.id AND i.kind = 'password'
     WHERE u.email_key = $1 AND u.state = 'active'`,
    [emailKey(email)],
  );
  return row;
}

export type Session = { id: string; token: string; expiresAt: Date };

export async function openSession(
  tenant: TenantScope,
  tenantId: string,
  userId: string,
  source: string,
): Promise<Session> {
  const token = newToken('ses', tenantId);
  const [setting] = await tenant.sql<{ value: number }>(
    "SELECT value FROM settings WHERE key = 'sessions.hours'",
  );
  const expiresAt = new Date(Date.now() + Number(setting?.value ?? 12) * 3_600_000);
  const id = newId('ses');
  await tenant.Session.create({ id, userId, tokenHash: digest(token), source, expiresAt });
  await tenant.User.update({ lastSignInAt: new Date() }, { where: { id: userId } });
  return { id, token, expiresAt };
}

export async function endSession({ sql }: TenantScope, id: string): Promise<void> {
  await sql('DELETE FROM sessions WHERE id = $1', [id]);
}

export async function endAllSessions({ sql }: TenantScope): Promise<number> {
  const ended = await sql('DELETE FROM sessions RETURNING id');
  return ended.length;
}
