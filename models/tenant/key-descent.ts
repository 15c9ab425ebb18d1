import { Refusal } from '../../policies/refusal.ts';
import type { Sql } from '../scope.ts';

/**
 * Keys that were made with keys. None outlives the one it was made with: a token that leaked must not leave another
 * behind. `created_by` of a key is the person or the key that made it.
 */
const active = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())';

/**
 * When the key that makes another ends; null when it does not, or a person makes it. It stays as it is until the new
 * key is there: whoever revokes it waits, and then finds the new one.
 */
export async function endOfMaker(sql: Sql, makerId: string): Promise<Date | null> {
  if (!makerId.startsWith('key_')) return null;
  const [maker] = await sql<{ end: Date | null }>(
    `SELECT expires_at AS "end" FROM api_keys WHERE id = $1 AND ${active} FOR SHARE`,
    [makerId],
  );
  if (!maker) throw new Refusal('unauthenticated', 'The key this came with has just ended.');
  return maker.end;
}

/** Active keys made with this one, with those, and so on; asked level by level to see those made until each was locked. */
export async function descendantsOf(sql: Sql, keyId: string): Promise<string[]> {
  const found: string[] = [];
  let makers = [keyId];
  while (makers.length > 0) {
    const made = await sql<{ id: string }>(
      `SELECT id FROM api_keys WHERE created_by = ANY ($1::text[]) AND ${active} ORDER BY id FOR UPDATE`,
      [makers],
    );
    makers = made.map(({ id }) => id);
    found.push(...makers);
  }
  return found;
}

/** These, and the people and keys in whose hands they are: of a key its owner and whoever made it, and so on. */
export async function standBehind(sql: Sql, ids: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ id: string }>(
    `WITH RECURSIVE behind (id) AS (
       SELECT unnest($1::text[])
       UNION SELECT hand FROM behind JOIN api_keys k ON k.id = behind.id, unnest(ARRAY[k.owner_id, k.created_by]) AS hand
       WHERE hand IS NOT NULL)
     SELECT id FROM behind`,
    [[...ids]],
  );
  return new Set(rows.map(({ id }) => id));
}
