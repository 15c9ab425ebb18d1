import type { PackName } from '../../policies/compliance-packs.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { declarationOf, type SettingDocument, type SettingKey } from '../../policies/settings.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { announcement } from '../setting-lease.ts';
import { sealedColumn } from './settings.ts';

/** The versions of a tenant's settings: added to, read, gone back to; never changed. */
export type Cause = 'change' | 'rollback' | 'schedule' | 'pack';
export type NewVersion = {
  agentId?: string | undefined;
  document: SettingDocument;
  packs: readonly PackName[];
  author: Principal;
  reason: string;
  cause: Cause;
};

/** The number by which one says which book one has read: that of the newest version, 0 before there is one. */
export async function newestVersion(sql: Sql): Promise<number> {
  const [row] = await sql<{ number: number }>(
    'SELECT coalesce(max(number), 0) AS number FROM setting_versions',
  );
  return row?.number ?? 0;
}

/** Call it in turn (models/tenant/turn.ts). Every process hears of it when this is committed. */
export async function addVersion(
  sql: Sql,
  keyring: () => Promise<Keyring>,
  added: NewVersion,
): Promise<number> {
  const number = (await newestVersion(sql)) + 1;
  const { open, secret } = apart(added.document);
  const sealed = secret && (await keyring()).seal(sealedColumn, String(number), JSON.stringify(secret));
  await sql(
    `INSERT INTO setting_versions (number, agent_id, document, sealed_document, packs, author, reason, cause)
     VALUES ($1, $2, $3::jsonb, $4, $5, $6::jsonb, $7, $8)`,
    [
      number,
      added.agentId ?? null,
      JSON.stringify(open),
      sealed ?? null,
      `{${added.packs.join(',')}}`,
      JSON.stringify(added.author),
      added.reason,
      added.cause,
    ],
  );
  await sql(announcement);
  return number;
}

/** What may stand in the open, and what is sealed; of nothing to seal, nothing. */
export function apart(document: SettingDocument): { open: object; secret: object | undefined } {
  const entries = Object.entries(document);
  // The keys of a document are those of the registry.
  const isSecret = ([key]: [string, unknown]) => declarationOf(key as SettingKey).sensitive === true;
  const secret = entries.filter(isSecret);
  return {
    open: Object.fromEntries(entries.filter((entry) => !isSecret(entry))),
    secret: secret.length > 0 ? Object.fromEntries(secret) : undefined,
  };
}

export async function insistOnAgent(sql: Sql, agentId: string | undefined): Promise<void> {
  if (agentId === undefined) return;
  const [found] = await sql('SELECT id FROM agents WHERE id = $1', [agentId]);
  if (!found) throw new Refusal('not-found', 'There is no such agent.');
}

const columns = `number, number AS id, agent_id, document, sealed_document, packs, author, reason, cause, at, transaction::text`;

/** One version and, behind it, the one of the same level before it, by which it is told what it changed. */
export function versionPair(tenantId: string, number: number): Statement {
  const versions = `${schemaOf(tenantId)}.setting_versions`;
  return {
    text: `SELECT ${columns} FROM ${versions} v WHERE number = $1
           UNION ALL (SELECT ${columns} FROM ${versions} o WHERE number < $1 AND coalesce(o.agent_id, '') =
             (SELECT coalesce(agent_id, '') FROM ${versions} WHERE number = $1) ORDER BY number DESC LIMIT 1)`,
    values: [number],
  };
}

type Listed = {
  agentId?: string | undefined;
  key?: string | undefined;
  after?: string | undefined;
  limit: number;
};

/** Newest first; of one agent alone, or those that changed one key. With none there is still a row, without a number. */
export function versionList(tenantId: string, { agentId, key, after, limit }: Listed): Statement {
  const schema = schemaOf(tenantId);
  return {
    text: `SELECT v.* FROM ${schema}.tenant t LEFT JOIN (
             SELECT ${columns}, lag(document) OVER levels AS was FROM ${schema}.setting_versions
             WINDOW levels AS (PARTITION BY coalesce(agent_id, '') ORDER BY number)) v
           ON ($1::text IS NULL OR agent_id = $1) AND ($2::bigint IS NULL OR number < $2)
             AND ($3::text IS NULL OR document -> $3 IS DISTINCT FROM was -> $3)
           ORDER BY number DESC LIMIT $4`,
    values: [agentId ?? null, after ?? null, key ?? null, limit],
  };
}
