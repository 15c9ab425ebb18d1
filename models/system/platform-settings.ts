import type { Principal } from '../../policies/principal.ts';
import { asDocument, type Sources } from '../../policies/setting-inheritance.ts';
import type { SettingDocument } from '../../policies/settings.ts';
import type { Statement } from '../batch.ts';
import { readInSystem, type Sql } from '../scope.ts';
import { announcement, leaseOnSystem } from '../setting-lease.ts';
import { systemTenantId } from './tenant.ts';

/** What the operators say for every tenant that has not said otherwise. It is about no tenant, so any sight shows it. */
export function platformDocument(): Promise<SettingDocument> {
  return leaseOnSystem().keep('platform', readDocument);
}

async function readDocument(): Promise<SettingDocument> {
  const [rows] = await readInSystem(systemTenantId, [newestPlatformVersion]);
  return asDocument(rows?.[0]?.document);
}

const columns = `number, number AS id, document, author, reason, cause, at, transaction::text`;

export const newestPlatformVersion: Statement = {
  text: `SELECT ${columns} FROM platform_setting_versions ORDER BY number DESC LIMIT 1`,
  values: [],
};

/** One version and, behind it, the one before. */
export const platformVersionPair = (number: number): Statement => ({
  text: `SELECT ${columns} FROM platform_setting_versions WHERE number = $1
         UNION ALL (SELECT ${columns} FROM platform_setting_versions WHERE number < $1 AND EXISTS
           (SELECT FROM platform_setting_versions WHERE number = $1) ORDER BY number DESC LIMIT 1)`,
  values: [number],
});

export const platformVersionList = (after: string | undefined, limit: number): Statement => ({
  text: `SELECT ${columns} FROM platform_setting_versions WHERE ($1::bigint IS NULL OR number < $1)
         ORDER BY number DESC LIMIT $2`,
  values: [after ?? null, limit],
});

type New = { document: SettingDocument; author: Principal; reason: string; cause: 'change' | 'rollback' };

/** One after the other; from here on `newest` is what it will be added to. */
export async function takePlatformTurn(sql: Sql): Promise<{ number: number; document: SettingDocument }> {
  await sql('LOCK TABLE platform_setting_versions IN SHARE ROW EXCLUSIVE MODE');
  const [row] = await sql<{ number: number; document: unknown }>(newestPlatformVersion.text);
  return { number: row?.number ?? 0, document: asDocument(row?.document) };
}

export async function addPlatformVersion(sql: Sql, number: number, added: New): Promise<void> {
  await sql(
    `INSERT INTO platform_setting_versions (number, document, author, reason, cause)
     VALUES ($1, $2::jsonb, $3::jsonb, $4, $5)`,
    [number, JSON.stringify(added.document), JSON.stringify(added.author), added.reason, added.cause],
  );
  await sql(announcement);
}

/** What holds for a tenant of no plan that has said nothing. */
export const platformSources = (platform: SettingDocument): Sources => ({
  platform,
  plan: {},
  tenant: {},
  agent: {},
  packs: [],
});
