import { Refusal } from '../../policies/refusal.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql, TenantScope } from '../scope.ts';
import { digest } from '../secrets.ts';
import { beginningOf, newToken } from '../tokens.ts';
import type { Visible } from '../visible.ts';
import { endOfMaker } from './key-descent.ts';

/**
 * API keys of the tenant one is in. A key of a person either follows that person's roles or has roles of its own and
 * is bounded by theirs (models/tenant/credential.ts); a service key has its own and belongs to nobody. Only hashes of
 * tokens are kept. A revoked key stays as a row, so that the trail can name it.
 */
export const keyKinds = ['user', 'service'] as const;
export const keyStates = ['active', 'expired', 'revoked'] as const;
export type KeyKind = (typeof keyKinds)[number];
type KeyState = (typeof keyStates)[number];

const keysMax = 100;

const state = `CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active' END`;

const columns = (
  schema: string,
) => `id, name, owner_id, follows_owner, created_by, prefix, expires_at, last_used_at, requests_per_minute,
  revoked_at, CASE WHEN previous_until > now() THEN previous_until END AS previous_until, version, created_at,
  ${state} AS state,
  ARRAY(SELECT a.role FROM ${schema}.role_assignments a WHERE a.principal_id = api_keys.id ORDER BY a.role) AS roles`;

export function keyById(tenantId: string, id: string): Statement {
  const schema = schemaOf(tenantId);
  return { text: `SELECT ${columns(schema)} FROM ${schema}.api_keys WHERE id = $1`, values: [id] };
}

export type KeyFilter = {
  owner?: string | undefined;
  createdBy?: string | undefined;
  kind?: KeyKind | undefined;
  state?: KeyState | undefined;
};

export function keyList(
  tenantId: string,
  filter: KeyFilter,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const schema = schemaOf(tenantId);
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const parts = [
    filter.owner && `owner_id = ${slot(filter.owner)}`,
    filter.createdBy && `created_by = ${slot(filter.createdBy)}`,
    filter.kind && `owner_id IS ${filter.kind === 'user' ? 'NOT NULL' : 'NULL'}`,
    filter.state && `${state} = ${slot(filter.state)}`,
    cursor && `id < ${slot(cursor)}`,
  ].filter(Boolean);
  const may = visible(values.length + 1);
  values.push(...may.values);
  const text = `SELECT ${columns(schema)} FROM ${schema}.api_keys WHERE ${[...parts, may.text].join(' AND ')}
    ORDER BY id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

export type NewKey = {
  name: string;
  ownerId: string | null;
  /** Undefined: it follows its owner's roles. */
  roles: string[] | undefined;
  createdBy: string;
  expiresAt: Date | null;
  requestsPerMinute?: number | null | undefined;
};

export async function createKey(
  { sql }: TenantScope,
  tenantId: string,
  given: NewKey,
): Promise<{ id: string; token: string }> {
  await refuseOverMax(sql);
  const end = await endOfMaker(sql, given.createdBy);
  if (end && given.expiresAt && given.expiresAt > end) throw tooLate(end);
  const id = newId('key');
  const token = newToken('key', tenantId);
  await sql(
    `INSERT INTO api_keys (id, name, token_hash, prefix, owner_id, follows_owner, created_by, expires_at, requests_per_minute)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      id,
      given.name,
      digest(token),
      beginningOf(token),
      given.ownerId,
      given.roles === undefined,
      given.createdBy,
      given.expiresAt ?? end,
      given.requestsPerMinute ?? null,
    ],
  );
  await sql(
    'INSERT INTO role_assignments (principal_id, role, assigned_by) SELECT $1, role, $3 FROM unnest($2::text[]) AS role',
    [id, given.roles ?? [], given.createdBy],
  );
  return { id, token };
}

function tooLate(end: Date): Refusal {
  const detail = `must not be later than the end of the key that makes it, ${end.toISOString()}`;
  return new Refusal('invalid-request', 'A key ends no later than the key it is made with.', {
    errors: [{ pointer: '/expiresAt', code: 'not-acceptable', detail }],
  });
}

/** Creations take turns (turn.ts), so that the last free place is given once. */
async function refuseOverMax(sql: Sql): Promise<void> {
  const [counted] = await sql<{ count: string }>(`SELECT count(*) FROM api_keys WHERE ${state} = 'active'`);
  if (Number(counted?.count) < keysMax) return;
  throw new Refusal(
    'conflict',
    `There are ${keysMax} active keys, which is the most an organisation may have; revoke one that is not used.`,
  );
}

export type KeyChange = {
  name?: string | undefined;
  expiresAt?: string | undefined;
  /** Null: as much as its organisation. */
  requestsPerMinute?: number | null | undefined;
};

export async function changeKey(
  { sql }: TenantScope,
  id: string,
  { name, expiresAt, requestsPerMinute }: KeyChange,
): Promise<void> {
  await sql(
    `UPDATE api_keys SET name = coalesce($2, name), expires_at = coalesce($3::timestamptz, expires_at),
       requests_per_minute = CASE WHEN $4 THEN $5::int ELSE requests_per_minute END, version = version + 1 WHERE id = $1`,
    [id, name ?? null, expiresAt ?? null, requestsPerMinute !== undefined, requestsPerMinute ?? null],
  );
}

/** The token before this one stays good for the overlap; the one before that ends now. */
export async function rotateKey(
  { sql }: TenantScope,
  tenantId: string,
  id: string,
  overlapSeconds: number,
): Promise<string> {
  const token = newToken('key', tenantId);
  await sql(
    `UPDATE api_keys SET previous_hash = token_hash, previous_until = now() + make_interval(secs => $4),
       token_hash = $2, prefix = $3, version = version + 1 WHERE id = $1`,
    [id, digest(token), beginningOf(token), overlapSeconds],
  );
  return token;
}

export async function revokeKey({ sql }: TenantScope, id: string): Promise<void> {
  await sql(
    `UPDATE api_keys SET revoked_at = now(), previous_hash = NULL, previous_until = NULL, version = version + 1
     WHERE id = $1`,
    [id],
  );
}

/** At most once a minute for each key, whichever process it was used at. */
export async function noteKeyUse(sql: Sql, id: string): Promise<void> {
  await sql(
    `UPDATE api_keys SET last_used_at = now()
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')`,
    [id],
  );
}

/** Those of the names that are no role of the tenant one is in. */
export async function unknownRoles(sql: Sql, names: string[]): Promise<string[]> {
  const rows = await sql<{ name: string }>(
    'SELECT asked AS name FROM unnest($1::text[]) AS asked WHERE asked NOT IN (SELECT name FROM roles)',
    [names],
  );
  return rows.map(({ name }) => name);
}
