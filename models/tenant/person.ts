import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

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
