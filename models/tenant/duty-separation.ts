import { Refusal } from '../../policies/refusal.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import { isDuplicate, type Sql } from '../scope.ts';

/** Roles of the tenant one is in of which nobody may hold two: static separation of duty, as in NIST's RBAC. */
const columns = 'id, name, roles, created_at';

export const separationList = (tenantId: string): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.duty_separations ORDER BY id`,
  values: [],
});

export const separationById = (tenantId: string, id: string): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.duty_separations WHERE id = $1`,
  values: [id],
});

export async function createSeparation(sql: Sql, given: { name: string; roles: string[] }): Promise<Row> {
  await insistRoles(sql, given.roles);
  try {
    const [made = {}] = await sql(
      `INSERT INTO duty_separations (id, name, roles) VALUES ($1, $2, $3) RETURNING ${columns}`,
      [newId('dut'), given.name, given.roles],
    );
    return made;
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    const detail = `There is a separation called “${given.name}” already.`;
    throw new Refusal('conflict', detail, { cause, errors: [{ pointer: '/name', code: 'taken', detail }] });
  }
}

async function insistRoles(sql: Sql, roles: string[]): Promise<void> {
  const known = await sql<{ name: string }>('SELECT name FROM roles WHERE name = ANY ($1)', [roles]);
  const errors = roles.flatMap((role, at) =>
    known.some(({ name }) => name === role)
      ? []
      : [{ pointer: `/roles/${at}`, code: 'unknown-role', detail: `There is no role “${role}”.` }],
  );
  if (errors.length > 0) throw new Refusal('unprocessable', 'Some of these roles do not exist.', { errors });
}

export async function deleteSeparation(sql: Sql, id: string): Promise<void> {
  await sql('DELETE FROM duty_separations WHERE id = $1', [id]);
}

/** Ids of the people and keys who hold two of these roles. */
export async function holdersOfTwo(sql: Sql, roles: string[]): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    `SELECT principal_id AS id FROM role_assignments WHERE role = ANY ($1)
     GROUP BY principal_id HAVING count(*) > 1 ORDER BY 1 LIMIT 20`,
    [roles],
  );
  return rows.map(({ id }) => id);
}

/** Why these roles may not be held by one person, in a sentence; undefined when they may. */
export async function dutyFault(sql: Sql, roles: string[]): Promise<string | undefined> {
  const [broken] = await sql<{ name: string; roles: string[] }>(
    `SELECT name, roles FROM duty_separations
     WHERE cardinality(ARRAY(SELECT unnest(roles) INTERSECT SELECT unnest($1::text[]))) >= 2 ORDER BY id LIMIT 1`,
    [roles],
  );
  return broken && `“${broken.name}” keeps ${broken.roles.join(', ')} apart: nobody may hold two of them.`;
}
