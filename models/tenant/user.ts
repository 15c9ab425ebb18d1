import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';
import { emailKey } from './email-key.ts';
import { withNames } from './person.ts';

/** People of the tenant one is in, as they are read. A person is their own owner: that is what “own” means of them. */
export const userStates = ['invited', 'active', 'inactive'] as const;
type UserState = (typeof userStates)[number];

const shown = (schema: string) => `
  SELECT u.id, u.id AS owner_id, u.sealed_email, u.sealed_name, u.state, u.version, u.last_sign_in_at, u.deactivated_at,
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

/** Names and addresses are sealed, so those who may match are looked through one by one; seats bound how many. */
const searchedMax = 20_000;

/** Of rows with their names: those with this part in a name or an address, in any case. */
export function matching(rows: Row[], search: string | undefined): Row[] {
  if (search === undefined) return rows;
  const part = search.toLowerCase();
  return rows.filter(({ name, email }) =>
    [String(name), emailKey(String(email))].some((text) => text.toLowerCase().includes(part)),
  );
}

export function userList(
  tenantId: string,
  { search, role, state }: UserFilter,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const may = visible(5);
  return {
    text: `SELECT * FROM (${shown(`${schemaOf(tenantId)}.`)}) users
           WHERE ($1::text IS NULL OR $1 = ANY (roles)) AND ($2::text IS NULL OR state = $2)
             AND ($3::text IS NULL OR id < $3) AND ${may.text}
           ORDER BY id DESC LIMIT $4`,
    values: [
      role ?? null,
      state ?? null,
      cursor ?? null,
      search === undefined ? limit : searchedMax,
      ...may.values,
    ],
  };
}

export async function userNow(sql: Sql, tenantId: string, id: string): Promise<Row | undefined> {
  const { text, values } = userById(tenantId, id);
  const [row] = withNames(await keyringWithin(sql), await sql<Row>(text, values));
  return row;
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
