import type { LlmKind } from '../../policies/llm-provider.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import { isDuplicate, type Sql, type TenantScope } from '../scope.ts';

/**
 * Model providers of the tenant one is in, as they are shown; their secrets are in llm-credential.ts. A removed one
 * stays as a row for those who still name it, and is shown to nobody.
 */
export type NewProvider = {
  name: string;
  kind: LlmKind;
  baseUrl: string | null;
  apiVersion: string | null;
  region: string;
  models: string[] | null;
  aliases: Record<string, string>;
  agents: string[] | null;
  timeoutSeconds: number;
  enabled: boolean;
};

const providersMax = 50;

const shown = `p.id, p.name, p.kind, p.base_url, p.api_version, p.region, p.models, p.aliases, p.agents,
  p.timeout_seconds, p.enabled, p.created_by, p.version, p.created_at, p.updated_at`;

/** Current first; what is over is as good as gone. */
const credentials = (
  schema: string,
) => `(SELECT coalesce(json_agg(json_build_object('lastFour', c.last_four, 'createdAt', c.created_at,
    'validUntil', c.valid_until, 'refusedAt', c.refused_at, 'lastUsedAt', c.last_used_at) ORDER BY c.number DESC), '[]')
  FROM ${schema}.llm_credentials c
  WHERE c.provider_id = p.id AND (c.valid_until IS NULL OR c.valid_until > now())) AS credentials`;

export function providerById(tenantId: string, id: string): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT ${shown}, ${credentials(schema)} FROM ${schema}.llm_providers p
           WHERE p.id = $1 AND p.deleted_at IS NULL`,
    values: [id],
  };
}

export function providerList(
  tenantId: string,
  filter: { kind?: string | undefined; region?: string | undefined },
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const schema = schemaOf(tenantId);
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const parts = [
    'p.deleted_at IS NULL',
    filter.kind && `p.kind = ${slot(filter.kind)}`,
    filter.region && `p.region = ${slot(filter.region)}`,
    cursor && `p.id < ${slot(cursor)}`,
  ].filter(Boolean);
  const text = `SELECT ${shown}, ${credentials(schema)} FROM ${schema}.llm_providers p
    WHERE ${parts.join(' AND ')} ORDER BY p.id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

/** As it is now, in the transaction that has just changed it. */
export async function providerNow({ sql }: TenantScope, tenantId: string, id: string): Promise<Row> {
  const { text, values } = providerById(tenantId, id);
  const [row] = await sql<Row>(text, values);
  if (!row) throw new Error('a provider that was just written is not there');
  return row;
}

export async function createProvider({ sql }: TenantScope, given: NewProvider, by: string): Promise<string> {
  // Two creations at once queue here, so that the last free place is given once.
  await sql("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '/llm_providers'))");
  const [counted] = await sql<{ count: string }>(
    'SELECT count(*) FROM llm_providers WHERE deleted_at IS NULL',
  );
  if (Number(counted?.count) >= providersMax)
    throw new Refusal(
      'conflict',
      `There are ${providersMax} model providers, which is the most; remove one.`,
    );
  const id = newId('llm');
  await onceNamed(given.name, () =>
    sql(
      `INSERT INTO llm_providers (id, name, name_key, kind, base_url, api_version, region, models, aliases, agents,
         timeout_seconds, enabled, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13)`,
      [id, given.name, nameKey(given.name), given.kind, ...columnsOf(given), by],
    ),
  );
  return id;
}

const columnsOf = (given: Omit<NewProvider, 'name' | 'kind'>) => [
  given.baseUrl,
  given.apiVersion,
  given.region,
  given.models,
  JSON.stringify(given.aliases),
  given.agents,
  given.timeoutSeconds,
  given.enabled,
];

export async function changeProvider(
  { sql }: TenantScope,
  id: string,
  given: Omit<NewProvider, 'kind'>,
): Promise<void> {
  await onceNamed(given.name, () =>
    sql(
      `UPDATE llm_providers SET name = $2, name_key = $3, base_url = $4, api_version = $5, region = $6, models = $7,
         aliases = $8::jsonb, agents = $9, timeout_seconds = $10, enabled = $11, version = version + 1,
         updated_at = now() WHERE id = $1`,
      [id, given.name, nameKey(given.name), ...columnsOf(given)],
    ),
  );
}

/** Its credential was exchanged. */
export async function touchProvider({ sql }: TenantScope, id: string): Promise<void> {
  await sql('UPDATE llm_providers SET version = version + 1, updated_at = now() WHERE id = $1', [id]);
}

/** Its secrets go at once; those who name it are led to the successor from the next call on. */
export async function retireProvider(
  { sql }: TenantScope,
  id: string,
  successorId: string | null,
): Promise<void> {
  await sql('DELETE FROM llm_credentials WHERE provider_id = $1', [id]);
  await sql(
    `UPDATE llm_providers SET deleted_at = now(), successor_id = $2, enabled = false, version = version + 1
     WHERE id = $1`,
    [id, successorId],
  );
}

export type NamedProvider = Omit<NewProvider, 'name'> & { id: string };

/** More successors in a row than anybody has made; each lookup is by primary key. */
const successorsMax = 20;

/** The provider of this id as it is to be asked, or whichever has taken over from it. */
export async function namedProvider(sql: Sql, id: string): Promise<NamedProvider | undefined> {
  const [found] = await sql<NamedProvider>(
    `WITH RECURSIVE line AS (
       SELECT p.*, 1 AS step FROM llm_providers p WHERE id = $1
       UNION ALL
       SELECT p.*, line.step + 1 FROM llm_providers p JOIN line ON p.id = line.successor_id
       WHERE line.deleted_at IS NOT NULL AND line.step < ${successorsMax})
     SELECT id, kind, base_url AS "baseUrl", api_version AS "apiVersion", region, models, aliases, agents,
       timeout_seconds AS "timeoutSeconds", enabled
     FROM line WHERE deleted_at IS NULL`,
    [id],
  );
  return found;
}

/** The one provider there is; undefined when there are none, or several. */
export async function onlyProvider(sql: Sql): Promise<string | undefined> {
  const rows = await sql<{ id: string }>('SELECT id FROM llm_providers WHERE deleted_at IS NULL LIMIT 2');
  return rows.length === 1 ? rows[0]?.id : undefined;
}

/** Whether it is there to take over, locked so that it stays. */
export async function isThere(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql('SELECT id FROM llm_providers WHERE id = $1 AND deleted_at IS NULL FOR SHARE', [id]);
  return rows.length > 0;
}

/** Those of the ids that are no agents of the tenant one is in. */
export async function unknownAgents(sql: Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    'SELECT asked AS id FROM unnest($1::text[]) AS asked WHERE asked NOT IN (SELECT id FROM agents)',
    [[...ids]],
  );
  return rows.map(({ id }) => id);
}

/** Names are unique without regard to case or Unicode form. */
function nameKey(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

async function onceNamed(name: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (cause) {
    if (!isDuplicate(cause, 'llm_providers_name')) throw cause;
    const detail = `There is already a model provider called “${name}”.`;
    throw new Refusal('conflict', detail, {
      cause,
      errors: [{ pointer: '/name', code: 'taken', detail }],
    });
  }
}
