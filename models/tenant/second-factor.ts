import { Secret, TOTP } from 'otpauth';
import { type Keyring, keyringOf } from '../keyring.ts';
import type { Place, Sql } from '../scope.ts';
import { recoveryCode } from '../tokens.ts';

/**
 * Codes of an authenticator app (RFC 6238, the parameters every app knows: SHA-1, 6 digits, 30 s), and recovery codes
 * for when it is lost. The secret is sealed under the tenant's key for its person; a code is good once, for a step that
 * was used is remembered and none before it is taken.
 */
const totpOf = (secret: Secret, issuer = '', label = '') =>
  new TOTP({ issuer, label, secret, algorithm: 'SHA1', digits: 6, period: 30 });
/** Steps of 30 s that clocks may be apart. */
const stepsApart = 1;
const recoveryCodeCount = 10;
const column = 'second_factors.sealed';

export type Pending = { secret: string; uri: string };

/** A new secret that is no factor yet; undefined when the person has one that is confirmed. */
export async function proposeFactor(
  sql: Sql,
  place: Place,
  person: { id: string; email: string; organisation: string },
): Promise<Pending | undefined> {
  const secret = new Secret({ size: 20 });
  const sealed = (await keyringOf(place)).sealBytes(column, person.id, secret.bytes);
  const stored = await sql(
    `INSERT INTO second_factors AS f (user_id, sealed) VALUES ($1, $2)
     ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, created_at = now() WHERE f.confirmed_at IS NULL
     RETURNING user_id`,
    [person.id, sealed],
  );
  if (stored.length === 0) return undefined;
  return { secret: secret.base32, uri: totpOf(secret, person.organisation, person.email).toString() };
}

/** Takes a code for the secret that was proposed; answers the recovery codes, which are never shown again. */
export async function confirmFactor(
  sql: Sql,
  place: Place,
  userId: string,
  code: string,
): Promise<string[] | 'none' | 'wrong'> {
  const [pending] = await sql<{ sealed: Buffer }>(
    'SELECT sealed FROM second_factors WHERE user_id = $1 AND confirmed_at IS NULL FOR UPDATE',
    [userId],
  );
  if (!pending) return 'none';
  const keyring = await keyringOf(place);
  const step = stepOf(keyring, pending.sealed, userId, code);
  if (step === undefined) return 'wrong';
  await sql('UPDATE second_factors SET confirmed_at = now(), last_step = $2 WHERE user_id = $1', [
    userId,
    step,
  ]);
  const codes = Array.from({ length: recoveryCodeCount }, recoveryCode);
  await sql('DELETE FROM recovery_codes WHERE user_id = $1', [userId]);
  await sql('INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest(string_to_array($2, $3))', [
    userId,
    codes.map((each) => keyring.recoveryHash(each)).join(' '),
    ' ',
  ]);
  return codes;
}

/** Uses up a code of the app or a recovery code; false when it is neither, or was used before. */
export async function useCode(sql: Sql, place: Place, userId: string, code: string): Promise<boolean> {
  const keyring = await keyringOf(place);
  const [factor] = await sql<{ sealed: Buffer }>(
    'SELECT sealed FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL',
    [userId],
  );
  const step = factor && stepOf(keyring, factor.sealed, userId, code);
  if (step !== undefined) {
    const used = await sql(
      'UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2 RETURNING user_id',
      [userId, step],
    );
    return used.length > 0;
  }
  const used = await sql(
    `UPDATE recovery_codes SET used_at = now()
     WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL RETURNING user_id`,
    [userId, keyring.recoveryHash(code)],
  );
  return used.length > 0;
}

/** The number of the step a code belongs to. */
function stepOf(keyring: Keyring, sealed: Buffer, userId: string, code: string): number | undefined {
  const bytes = keyring.openBytes(column, userId, sealed);
  const totp = totpOf(new Secret({ buffer: Uint8Array.from(bytes).buffer }));
  const token = code.replaceAll(/\s/g, '');
  const timestamp = Date.now();
  const delta = totp.validate({ token, timestamp, window: stepsApart });
  return delta === null ? undefined : totp.counter({ timestamp }) + delta;
}

/** Whether there was one to remove, pending or confirmed. */
export async function removeFactor(sql: Sql, userId: string): Promise<boolean> {
  await sql('DELETE FROM recovery_codes WHERE user_id = $1', [userId]);
  const removed = await sql('DELETE FROM second_factors WHERE user_id = $1 RETURNING user_id', [userId]);
  return removed.length > 0;
}

export async function hasFactor(sql: Sql, userId: string): Promise<boolean> {
  const found = await sql('SELECT FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL', [
    userId,
  ]);
  return found.length > 0;
}
