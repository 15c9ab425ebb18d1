import type { Sql } from '../scope.ts';

/** Roles of the tenant one is in that nobody may hold together. */

/** Why these roles may not be held by one person, in a sentence; undefined when they may. */
export async function dutyFault(sql: Sql, roles: string[]): Promise<string | undefined> {
  const [broken] = await sql<{ name: string; roles: string[] }>(
    `SELECT name, roles FROM duty_separations
     WHERE cardinality(ARRAY(SELECT unnest(roles) INTERSECT SELECT unnest($1::text[]))) >= 2 ORDER BY id LIMIT 1`,
    [roles],
  );
  return broken && `“${broken.name}” keeps ${broken.roles.join(', ')} apart: nobody may hold two of them.`;
}
