import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { type Keyring, keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { emailKey } from './email-key.ts';

/** Who somebody is stands under the tenant's key: a row that tells of a person has these two instead of their texts. */
export type SealedPerson = { sealed_email: Buffer; sealed_name: Buffer };
export type Named = { email: string; name: string };

const columns = { email: 'users.sealed_email', name: 'users.sealed_name' } as const;

/** What people are looked up by; equal for one address, however it is written. */
export function emailIndex(keyring: Keyring, email: string): string {
  return keyring.blindIndex('users.email', emailKey(email));
}

export function nameOf(
  keyring: Keyring,
  id: string,
  { sealed_name }: Pick<SealedPerson, 'sealed_name'>,
): string {
  return keyring.open(columns.name, id, sealed_name);
}

export function emailOf(
  keyring: Keyring,
  id: string,
  { sealed_email }: Pick<SealedPerson, 'sealed_email'>,
): string {
  return keyring.open(columns.email, id, sealed_email);
}

/** The row with e-mail address and name in the place of what they are sealed in. */
export function opened<T extends SealedPerson>(
  keyring: Keyring,
  id: string,
  row: T,
): Omit<T, keyof SealedPerson> & Named {
  const { sealed_email, sealed_name, ...rest } = row;
  const [email, name] = [emailOf(keyring, id, row), nameOf(keyring, id, row)];
  return { ...rest, email, name };
}

/** Of rows as routes load them: those that tell of a person, by `user_id` or, of the person itself, by `id`. */
export function withNames(keyring: Keyring, rows: Row[]): Row[] {
  return rows.map((row) => {
    const { sealed_email, sealed_name } = row;
    if (!Buffer.isBuffer(sealed_email) || !Buffer.isBuffer(sealed_name)) return row;
    return opened(keyring, String(row.user_id ?? row.id), { ...row, sealed_email, sealed_name });
  });
}

type NewPerson = Named & { id: string; state: 'invited' | 'active' | 'inactive' };

export async function addPerson(sql: Sql, { id, email, name, state }: NewPerson): Promise<void> {
  const keyring = await keyringWithin(sql);
  await sql(
    'INSERT INTO users (id, sealed_email, email_key, sealed_name, state) VALUES ($1, $2, $3, $4, $5)',
    [
      id,
      keyring.seal(columns.email, id, email),
      emailIndex(keyring, email),
      keyring.seal(columns.name, id, name),
      state,
    ],
  );
}

/** Another spelling of the same address, or another name. */
export async function describePerson(
  sql: Sql,
  id: string,
  { email, name }: { email?: string | undefined; name?: string | undefined },
): Promise<void> {
  const keyring = await keyringWithin(sql);
  const sealed = (column: 'email' | 'name', text: string | undefined) =>
    text === undefined ? null : keyring.seal(columns[column], id, text);
  await sql(
    `UPDATE users SET sealed_email = coalesce($2, sealed_email), sealed_name = coalesce($3, sealed_name),
       updated_at = now(), version = version + 1 WHERE id = $1`,
    [id, sealed('email', email), sealed('name', name)],
  );
}

/** A person as the object of a permission about what is theirs: password, second factor, sessions. */
export function personById(tenantId: string, userId: string): Statement {
  return {
    text: `SELECT u.id, u.id AS owner_id, u.state FROM ${schemaOf(tenantId)}.users u WHERE u.id = $1`,
    values: [userId],
  };
}

/**
 * Everything that changes a person's ways in holds their row, so that a sign-in under way comes before it or after it.
 * Whoever takes a turn (turn.ts) has taken it before. What is read for a decision is read by a later
 * statement: one that waits for a lock still sees other tables as they were before it waited.
 */
export async function lockPersonRow(sql: Sql, userId: string): Promise<void> {
  await sql('SELECT id FROM users WHERE id = $1 FOR UPDATE', [userId]);
}
