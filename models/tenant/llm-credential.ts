import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/**
 * The secrets of model providers: written, never shown again but for their last four characters. A new one is used at
 * once; the one before it stays for the overlap, for when the provider does not know the new one yet, and is then
 * erased. Opened for one call by whoever makes it (activities/llm/lease.ts), and for nothing else.
 */
const column = 'llm_credentials.secret_sealed';
const rowOf = (providerId: string, number: number) => `${providerId}/${number}`;

/** Four characters of a short secret would be too much of it. */
const shownFrom = 16;

export async function addCredential(
  sql: Sql,
  keyring: Keyring,
  { providerId, secret, by }: { providerId: string; secret: string; by: string },
): Promise<void> {
  const [last] = await sql<{ number: number }>(
    'SELECT coalesce(max(number), 0) AS number FROM llm_credentials WHERE provider_id = $1',
    [providerId],
  );
  const number = Number(last?.number ?? 0) + 1;
  await sql(
    `INSERT INTO llm_credentials (provider_id, number, secret_sealed, last_four, created_by)
     VALUES ($1, $2, $3, $4, $5)`,
    [
      providerId,
      number,
      keyring.seal(column, rowOf(providerId, number), secret),
      secret.length >= shownFrom ? secret.slice(-4) : '',
      by,
    ],
  );
}

/** Ends what there is: the newest after the overlap, everything older now. */
export async function endCredentials(sql: Sql, providerId: string, overlapSeconds: number): Promise<void> {
  await sql(
    'DELETE FROM llm_credentials WHERE provider_id = $1 AND (valid_until IS NOT NULL OR $2::integer = 0)',
    [providerId, overlapSeconds],
  );
  await sql(
    'UPDATE llm_credentials SET valid_until = now() + make_interval(secs => $2) WHERE provider_id = $1',
    [providerId, overlapSeconds],
  );
}

export type SealedCredential = { number: number; sealed: Buffer };

/** Those that are good now, newest first; what is over is erased on the way. */
export async function goodCredentials(sql: Sql, providerId: string): Promise<SealedCredential[]> {
  const rows = await sql<{ number: number; sealed: Buffer; over: boolean }>(
    `SELECT number, secret_sealed AS sealed, valid_until IS NOT NULL AND valid_until <= now() AS over
     FROM llm_credentials WHERE provider_id = $1 ORDER BY number DESC`,
    [providerId],
  );
  if (rows.some(({ over }) => over))
    await sql('DELETE FROM llm_credentials WHERE provider_id = $1 AND valid_until <= now()', [providerId]);
  return rows.filter(({ over }) => !over);
}

export function openCredential(
  keyring: Keyring,
  providerId: string,
  { number, sealed }: SealedCredential,
): string {
  return keyring.open(column, rowOf(providerId, number), sealed);
}

export async function noteCredential(
  sql: Sql,
  providerId: string,
  number: number,
  what: 'used' | 'refused',
): Promise<void> {
  const set = what === 'used' ? 'last_used_at = now(), refused_at = NULL' : 'refused_at = now()';
  await sql(`UPDATE llm_credentials SET ${set} WHERE provider_id = $1 AND number = $2`, [providerId, number]);
}
