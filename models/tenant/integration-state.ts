import { hintOf } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { credentialColumn, type Found, integrationToUse, previousColumn, stateAfter } from './integration.ts';

/** What becomes of an integration: its credential is exchanged, checks and the breaker find something, an end comes near. */
export type Rotation = { credential: string; expiresAt: string | null; overlapSeconds: number };

/** The secret before goes on beside the new one for a while, so that the other side need not change at that moment. */
export async function rotateCredential(
  sql: Sql,
  keyring: Keyring,
  id: string,
  { credential, expiresAt, overlapSeconds }: Rotation,
): Promise<void> {
  const stored = await integrationToUse(sql, id);
  if (!stored) throw new Refusal('not-found', 'There is no such integration.');
  const previous =
    overlapSeconds > 0 ? keyring.open(credentialColumn, id, stored.credential_sealed) : undefined;
  await sql(
    `UPDATE integrations SET credential_sealed = $2, credential_hint = $3, credential_since = now(), expires_at = $4,
       previous_sealed = $5, previous_until = CASE WHEN $5::bytea IS NULL THEN NULL ELSE now() + make_interval(secs => $6) END,
       token_sealed = NULL, warned_days = NULL, version = version + 1, updated_at = now()
     WHERE id = $1`,
    [
      id,
      keyring.seal(credentialColumn, id, credential),
      hintOf(credential),
      expiresAt,
      previous === undefined ? null : keyring.seal(previousColumn, id, previous),
      overlapSeconds,
    ],
  );
}

/** Returns whether it has begun to fail with this. No new version: nothing was changed by anybody. */
export async function noteCheck(sql: Sql, id: string, found: NonNullable<Found>): Promise<boolean> {
  const [before] = await sql<{ state: string }>('SELECT state FROM integrations WHERE id = $1 FOR UPDATE', [
    id,
  ]);
  if (!before) return false;
  const state = stateAfter(found);
  await sql(
    `UPDATE integrations SET state = $2, checks = $3::jsonb, checked_at = now(), certificate_until = $4,
       failing_since = CASE WHEN $2 = 'failing' THEN coalesce(failing_since, now()) END
     WHERE id = $1`,
    [id, state, JSON.stringify(found.verdicts), found.certificateUntil],
  );
  return state === 'failing' && before.state !== 'failing';
}

/** What was saved without being tried is not used, and says so. */
export async function noteUnverified(sql: Sql, id: string): Promise<void> {
  await sql(
    "UPDATE integrations SET state = 'unverified', failing_since = NULL, checks = '[]' WHERE id = $1",
    [id],
  );
}

export async function noteBreaker(
  sql: Sql,
  id: string,
  breaker: 'closed' | 'half-open' | 'open',
): Promise<void> {
  await sql('UPDATE integrations SET breaker = $2, breaker_since = now() WHERE id = $1', [id, breaker]);
}

export async function noteWarned(sql: Sql, id: string, days: number): Promise<void> {
  await sql('UPDATE integrations SET warned_days = $2 WHERE id = $1', [id, days]);
}
