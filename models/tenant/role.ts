import { Refusal } from '../../policies/refusal.ts';
import { missingFrom, type Rights } from '../../policies/rights.ts';
import type { Rule } from '../../policies/rule.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { isDuplicate, type Sql } from '../scope.ts';

/** Roles of the tenant one is in: the built-in ones, and those it made itself, whose rules are data. */
const customRolesMax = 100;

const columns = 'name, title, description, built_in, rules, version, created_at, updated_at';

export function roleList(tenantId: string): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT ${columns}, (SELECT count(*)::int FROM ${schema}.role_assignments a WHERE a.role = r.name) AS holders
           FROM ${schema}.roles r ORDER BY built_in DESC, name`,
    values: [],
  };
}

export function roleByName(tenantId: string, name: string): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT name AS id, ${columns},
             (SELECT count(*)::int FROM ${schema}.role_assignments a WHERE a.role = r.name) AS holders
           FROM ${schema}.roles r WHERE name = $1`,
    values: [name],
  };
}

export type NewRole = { name: string; title: string; description: string; rules: Rule[] };

export async function createRole(sql: Sql, role: NewRole): Promise<Row> {
  const [counted] = await sql<{ count: number }>(
    'SELECT count(*)::int AS count FROM roles WHERE NOT built_in',
  );
  if (Number(counted?.count) >= customRolesMax)
    throw new Refusal('conflict', `There are ${customRolesMax} roles of your own already; remove one first.`);
  try {
    const [made = {}] = await sql(
      `INSERT INTO roles (name, title, description, built_in, rules) VALUES ($1, $2, $3, false, $4::jsonb)
       RETURNING ${columns}, 0 AS holders`,
      [role.name, role.title, role.description, JSON.stringify(role.rules)],
    );
    return made;
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    const detail = `There is a role called “${role.name}” already.`;
    throw new Refusal('conflict', detail, {
      cause,
      errors: [{ pointer: '/name', code: 'taken', detail }],
    });
  }
}

/** With new rules the version of all rights rises: what any process has compiled is not used again. */
export async function updateRole(
  sql: Sql,
  name: string,
  change: { title?: string | undefined; description?: string | undefined; rules?: Rule[] | undefined },
): Promise<void> {
  await sql(
    `UPDATE roles SET title = coalesce($2, title), description = coalesce($3, description),
       rules = coalesce($4::jsonb, rules), version = version + 1, updated_at = now() WHERE name = $1`,
    [
      name,
      change.title ?? null,
      change.description ?? null,
      change.rules ? JSON.stringify(change.rules) : null,
    ],
  );
  await raiseRights(sql);
}

export async function deleteRole(sql: Sql, name: string): Promise<void> {
  await sql('DELETE FROM roles WHERE name = $1', [name]);
  await raiseRights(sql);
}

async function raiseRights(sql: Sql): Promise<void> {
  await sql('UPDATE tenant SET rights_version = rights_version + 1');
}

/** What still names a role, in a sentence; a role that something names is not removed from under it. */
export async function usesOf(sql: Sql, name: string): Promise<string | undefined> {
  const [uses] = await sql<{ holders: number; invited: number; separated: number }>(
    `SELECT (SELECT count(*)::int FROM role_assignments WHERE role = $1) AS holders,
            (SELECT count(*)::int FROM invitations WHERE state = 'pending' AND $1 = ANY (roles)) AS invited,
            (SELECT count(*)::int FROM duty_separations WHERE $1 = ANY (roles)) AS separated`,
    [name],
  );
  const found = [
    uses?.holders && `held by ${uses.holders}`,
    uses?.invited && `offered in ${uses.invited} pending invitations`,
    uses?.separated && `named in ${uses.separated} separations of duty`,
  ].filter(Boolean);
  return found.length > 0 ? found.join(', ') : undefined;
}

export async function assignRole(sql: Sql, principalId: string, role: string, by: string): Promise<boolean> {
  const made = await sql(
    `INSERT INTO role_assignments (principal_id, role, assigned_by) VALUES ($1, $2, $3)
     ON CONFLICT DO NOTHING RETURNING role`,
    [principalId, role, by],
  );
  return made.length > 0;
}

export async function unassignRole(sql: Sql, principalId: string, role: string): Promise<boolean> {
  const gone = await sql(
    'DELETE FROM role_assignments WHERE principal_id = $1 AND role = $2 RETURNING role',
    [principalId, role],
  );
  return gone.length > 0;
}

/** Nobody gives, takes or touches what reaches further than they do themselves. */
export function insistHeld(author: Rights, wanted: Rights, what: string): void {
  const missing = missingFrom(author, wanted);
  if (missing.length === 0) return;
  const shown = missing.slice(0, 5).join('; ');
  throw new Refusal(
    'forbidden',
    `${what} reaches further than you do yourself: ${shown}${missing.length > 5 ? '; and more' : ''}.`,
    { extra: { missing } },
  );
}
