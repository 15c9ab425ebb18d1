import type { SubjectType } from '../../policies/permission.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';

/**
 * Removing a person: what they own is handed to somebody else and nothing is lost with them but their own ways in.
 * `handedOn` names every table whose rows belong to a person and outlive them, `endsWith` those that do not, `staysAsItWas`
 * those that keep whose they were;
 * test/models/removal.test.ts compares both with the columns there are.
 */
export const handedOn = ['agents', 'workflows', 'run_schedules', 'triggers'] as const;
export const endsWith = ['api_keys', 'notifications'] as const;
/**
 * What agents remember stays with the agent; whose it was tells only who else may not see it, so nobody inherits that.
 * Who asked for more of a limit stays who asked. A run says in whose name it acted; one that is under way ends at its next step, for nobody stands behind it any more.
 */
export const staysAsItWas = ['conversations', 'memories', 'quota_requests', 'runs'] as const;
const kindOf: Record<(typeof handedOn)[number], SubjectType> = {
  agents: 'Agent',
  workflows: 'Workflow',
  run_schedules: 'RunSchedule',
  triggers: 'Trigger',
};

const sampleMax = 5;

const theirs = `owner_id = $1 OR owner_id IN (SELECT id FROM api_keys WHERE owner_id = $1)`;

type Named = { count: number; sample: { id: string; name: string }[] };
export type Work = Record<string, Named>;

/** Counts everything, for it decides whether an heir is needed; names what the asker may read. */
export async function workOf(
  sql: Sql,
  userId: string,
  visible: (subject: SubjectType) => Visible,
): Promise<Work> {
  const work: Work = {};
  for (const table of handedOn)
    work[table] = await named(sql, `${table} WHERE (${theirs})`, { userId, visible: visible(kindOf[table]) });
  return work;
}

/** Services must not stop with a colleague: the keys they made for services stay good, and somebody has to know. */
export async function serviceKeysBy(sql: Sql, userId: string, visible: Visible): Promise<Named> {
  const made = `api_keys WHERE owner_id IS NULL AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > now())
    AND (created_by = $1 OR created_by IN (SELECT id FROM api_keys WHERE owner_id = $1))`;
  return named(sql, made, { userId, visible });
}

type Whose = { userId: string; visible: Visible };

async function named(sql: Sql, found: string, { userId, visible }: Whose): Promise<Named> {
  const may = visible(2);
  const [counted] = await sql<{ count: number }>(`SELECT count(*)::int AS count FROM ${found}`, [userId]);
  const sample = await sql<Named['sample'][number]>(
    `SELECT id, name FROM ${found} AND ${may.text} ORDER BY id LIMIT ${sampleMax}`,
    [userId, ...may.values],
  );
  return { count: counted?.count ?? 0, sample };
}

export async function handOn(sql: Sql, userId: string, heir: string): Promise<void> {
  for (const table of handedOn)
    await sql(
      `UPDATE ${table} SET owner_id = $2, version = version + 1, updated_at = now() WHERE ${theirs}`,
      [userId, heir],
    );
  for (const table of startsRuns)
    await sql(
      `UPDATE ${table} SET state = 'paused', pause_reason = $2
       WHERE state = 'active' AND (principal ->> 'id' = $1
         OR principal ->> 'id' IN (SELECT id FROM api_keys WHERE owner_id = $1))`,
      [userId, startsNothing],
    );
}

/** What starts runs does so in the name of whoever last said what it starts, which the heir has not. */
const startsRuns = ['run_schedules', 'triggers'] as const;
const startsNothing =
  'In whose name it starts runs was removed; say anew what it starts, and it does so in your name.';

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
