import type { SubjectType } from '../../policies/permissions.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';

/**
 * Removing a person: what they own is handed to somebody else and nothing is lost with them but their own ways in.
 * `handedOn` names every table whose rows belong to a person and outlive them, `endsWith` those that do not;
 * test/models/removal.test.ts compares both with the columns there are.
 */
export const handedOn = ['agents'] as const;
export const endsWith = ['api_keys'] as const;
const kindOf: Record<(typeof handedOn)[number], SubjectType> = { agents: 'Agent' };

const sampleMax = 5;

const theirs = `owner_id = $1 OR owner_id IN (SELECT id FROM api_keys WHERE owner_id = $1)`;

export type Work = Record<string, { count: number; sample: { id: string; name: string }[] }>;

/** Counts everything, for it decides whether an heir is needed; names what the asker may read. */
export async function workOf(
  sql: Sql,
  userId: string,
  visible: (subject: SubjectType) => Visible,
): Promise<Work> {
  const work: Work = {};
  for (const table of handedOn) {
    const may = visible(kindOf[table])(2);
    const [counted] = await sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${table} WHERE ${theirs}`,
      [userId],
    );
    const sample = await sql<{ id: string; name: string }>(
      `SELECT id, name FROM ${table} WHERE (${theirs}) AND ${may.text} ORDER BY id LIMIT ${sampleMax}`,
      [userId, ...may.values],
    );
    work[table] = { count: counted?.count ?? 0, sample };
  }
  return work;
}

export async function handOn(sql: Sql, userId: string, heir: string): Promise<void> {
  for (const table of handedOn)
    await sql(
      `UPDATE ${table} SET owner_id = $2, version = version + 1, updated_at = now() WHERE ${theirs}`,
      [userId, heir],
    );
}

/** Keys, sessions, ways to sign in and invitations to this person go with the row; roles are no foreign key. */
export async function removeUser(sql: Sql, userId: string): Promise<string[]> {
  const waiting = await sql<Row>(
    "SELECT operation_id FROM invitations WHERE user_id = $1 AND state = 'pending' AND operation_id IS NOT NULL",
    [userId],
  );
  await sql(
    `DELETE FROM role_assignments WHERE principal_id = $1
       OR principal_id IN (SELECT id FROM api_keys WHERE owner_id = $1)`,
    [userId],
  );
  await sql('DELETE FROM users WHERE id = $1', [userId]);
  return waiting.map(({ operation_id }) => String(operation_id));
}
