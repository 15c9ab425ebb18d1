import { newId } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { opened, type SealedPerson } from './person.ts';

/** A person's password as one of their ways to sign in; only the hash is ever here. */
export type Holder = { id: string; name: string; email: string; secret: string | null };

export async function passwordHolder(sql: Sql, userId: string): Promise<Holder | undefined> {
  const [row] = await sql<Pick<Holder, 'id' | 'secret'> & SealedPerson>(
    `SELECT u.id, u.sealed_name, u.sealed_email, i.secret FROM users u
       LEFT JOIN identities i ON i.user_id = u.id AND i.kind = 'password' WHERE u.id = $1`,
    [userId],
  );
  return row && opened(await keyringWithin(sql), row.id, row);
}

/** A way that was mailed to an older password leads nowhere any more. */
export async function setPassword(sql: Sql, userId: string, secret: string): Promise<void> {
  await sql(
    `INSERT INTO identities (id, user_id, kind, secret) VALUES ($1, $2, 'password', $3)
     ON CONFLICT (user_id, kind) DO UPDATE SET secret = excluded.secret, changed_at = now()`,
    [newId('idn'), userId, secret],
  );
  await sql('DELETE FROM password_resets WHERE user_id = $1 AND used_at IS NULL', [userId]);
}
