import { newId } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { emailIndex, lockPersonRow, opened, type SealedPerson } from './person.ts';

/** Ways to a new password, mailed: single use, for an hour, the newest of a person alone. The token is kept as a hash. */
const validMinutes = 60;

export async function activePersonByEmail(sql: Sql, email: string): Promise<string | undefined> {
  const [row] = await sql<{ id: string }>("SELECT id FROM users WHERE email_key = $1 AND state = 'active'", [
    emailIndex(await keyringWithin(sql), email),
  ]);
  return row?.id;
}

export type Reset = { id: string; expiresAt: Date };

export async function openReset(sql: Sql, userId: string, askedBy: string): Promise<Reset> {
  await lockPersonRow(sql, userId);
  await sql(
    "DELETE FROM password_resets WHERE user_id = $1 AND used_at IS NULL OR expires_at < now() - interval '1 day'",
    [userId],
  );
  const [opened] = await sql<Reset>(
    `INSERT INTO password_resets (id, user_id, asked_by, expires_at)
     VALUES ($1, $2, $3, now() + make_interval(mins => ${validMinutes})) RETURNING id, expires_at AS "expiresAt"`,
    [newId('rst'), userId, askedBy],
  );
  if (!opened) throw new Error('the new reset answered no row');
  return opened;
}

export type Unsent = { id: string; email: string; name: string; expiresAt: Date };

/** Undefined when there is nothing to mail any more: sent, used, overtaken by a newer one, or the person gone. */
export async function unsentReset(sql: Sql, id: string): Promise<Unsent | undefined> {
  const [row] = await sql<Omit<Unsent, 'email' | 'name'> & SealedPerson & { userId: string }>(
    `SELECT r.id, u.id AS "userId", u.sealed_email, u.sealed_name, r.expires_at AS "expiresAt" FROM password_resets r JOIN users u ON u.id = r.user_id
     WHERE r.id = $1 AND r.sent_at IS NULL AND r.used_at IS NULL AND r.expires_at > now() AND u.state = 'active'`,
    [id],
  );
  return row && opened(await keyringWithin(sql), row.userId, row);
}

export async function setResetToken(sql: Sql, id: string, tokenHash: string): Promise<void> {
  await sql('UPDATE password_resets SET token_hash = $2 WHERE id = $1', [id, tokenHash]);
}

export async function markResetSent(sql: Sql, id: string): Promise<void> {
  await sql('UPDATE password_resets SET sent_at = now() WHERE id = $1', [id]);
}

/** As if it had not been asked for. A token that was mailed already leads nowhere. */
export async function withdrawReset(sql: Sql, id: string): Promise<void> {
  await sql('DELETE FROM password_resets WHERE id = $1 AND used_at IS NULL', [id]);
}

const usable =
  "r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > now() AND u.id = r.user_id AND u.state = 'active'";

/** Whose reset this token opens. */
export async function resetByToken(sql: Sql, tokenHash: string): Promise<string | undefined> {
  const [row] = await sql<{ user_id: string }>(
    `SELECT r.user_id FROM password_resets r, users u WHERE ${usable}`,
    [tokenHash],
  );
  return row?.user_id;
}

/** Uses it up, with its person held: of two at once, one. */
export async function useReset(
  sql: Sql,
  tokenHash: string,
): Promise<{ id: string; userId: string } | undefined> {
  const userId = await resetByToken(sql, tokenHash);
  if (!userId) return undefined;
  await lockPersonRow(sql, userId);
  const [row] = await sql<{ id: string; userId: string }>(
    `UPDATE password_resets r SET used_at = now() FROM users u WHERE ${usable} RETURNING r.id, r.user_id AS "userId"`,
    [tokenHash],
  );
  return row;
}
