import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';

/** People of the tenant one is in, as they are read. A person is their own owner: that is what “own” means of them. */
export const userStates = ['invited', 'active', 'inactive'] as const;
type UserState = (typeof userStates)[number];

const shown = (schema: string) => `
  SELECT u.id, u.id AS owner_id, u.email, u.email_key, u.name, u.state, u.version, u.last_sign_in_at, u.deactivated_at,
    u.created_at, u.updated_at,
    coalesce((SELECT array_agg(a.role ORDER BY a.role) FROM ${schema}role_assignments a WHERE a.principal_id = u.id),
      '{}') AS roles,
    EXISTS (SELECT FROM ${schema}second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS second_factor
  FROM ${schema}users u`;

/** What somebody has, and what would go or be handed on with them; their keys' work is theirs. */
const owned = (schema: string) => `
  (SELECT count(*)::int FROM ${schema}agents o WHERE o.owner_id = p.id
     OR o.owner_id IN (SELECT id FROM ${schema}api_keys k WHERE k.owner_id = p.id)) AS agents,
  (SELECT count(*)::int FROM ${schema}api_keys o WHERE o.owner_id = p.id AND o.revoked_at IS NULL) AS api_keys,
  (SELECT count(*)::int FROM ${schema}sessions o WHERE o.user_id = p.id AND o.expires_at > now()) AS sessions,
  (SELECT count(*)::int FROM ${schema}invitations o WHERE o.state = 'pending' AND o.expires_at > now() AND (o.invited_by = p.id
     OR o.invited_by IN (SELECT id FROM ${schema}api_keys k WHERE k.owner_id = p.id))) AS invitations`;

export function userById(tenantId: string, id: string): Statement {
  const schema = `${schemaOf(tenantId)}.`;
  return { text: `SELECT p.*, ${owned(schema)} FROM (${shown(schema)} WHERE u.id = $1) p`, values: [id] };
}

export type UserFilter = {
  search?: string | undefined;
  role?: string | undefined;
  state?: UserState | undefined;
};

export function userList(
  tenantId: string,
  { search, role, state }: UserFilter,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const may = visible(6);
  return {
    text: `SELECT * FROM (${shown(`${schemaOf(tenantId)}.`)}) users
           WHERE ($1::text IS NULL OR strpos(lower(name), lower($1)) > 0 OR strpos(email_key, lower($1)) > 0)
             AND ($2::text IS NULL OR $2 = ANY (roles)) AND ($3::text IS NULL OR state = $3)
             AND ($4::text IS NULL OR id < $4) AND ${may.text}
           ORDER BY id DESC LIMIT $5`,
    values: [search ?? null, role ?? null, state ?? null, cursor ?? null, limit, ...may.values],
  };
}

export async function userNow(sql: Sql, tenantId: string, id: string): Promise<Row | undefined> {
  const { text, values } = userById(tenantId, id);
  const [row] = await sql<Row>(text, values);
  return row;
}

export async function renameUser(sql: Sql, id: string, name: string): Promise<void> {
  await sql('UPDATE users SET name = $2, version = version + 1, updated_at = now() WHERE id = $1', [
    id,
    name,
  ]);
}

/** Their sessions are over; their keys are refused as long as they are inactive (models/tenant/credential.ts). */
export async function deactivateUser(sql: Sql, id: string): Promise<number> {
  await sql(
    `UPDATE users SET state = 'inactive', deactivated_at = now(), version = version + 1, updated_at = now()
     WHERE id = $1`,
    [id],
  );
  const ended = await sql('DELETE FROM sessions WHERE user_id = $1 RETURNING id', [id]);
  return ended.length;
}

export async function reactivateUser(sql: Sql, id: string): Promise<void> {
  await sql(
    `UPDATE users SET state = 'active', deactivated_at = NULL, version = version + 1, updated_at = now()
     WHERE id = $1`,
    [id],
  );
}
