import { type PackName, packNames } from '../../policies/compliance-packs.ts';
import { plans } from '../../policies/plans.ts';
import { asDocument, type Settings, type Sources, settingsFrom } from '../../policies/setting-inheritance.ts';
import type { SettingDocument } from '../../policies/settings.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import { type Keyring, keyringOf } from '../keyring.ts';
import { type Place, readInTenant, type Sql } from '../scope.ts';
import { leaseOnCell } from '../setting-lease.ts';
import { platformDocument } from '../system/platform-settings.ts';

/**
 * What holds in a tenant, or for one of its agents, at this moment: read anew, or from memory while this process is
 * known to have heard of every change (models/setting-lease.ts). Ask at the point of use and do not keep the answer.
 */
export async function settingsOf(place: Place, { agentId }: { agentId?: string } = {}): Promise<Settings> {
  const lease = leaseOnCell(place.cell);
  const [platform, own] = await Promise.all([
    platformDocument(),
    lease.keep(`${place.tenantId}/${agentId ?? ''}`, () => readSources(place, agentId)),
  ]);
  return settingsFrom({ ...own, platform });
}

type Own = Omit<Sources, 'platform'>;

async function readSources(place: Place, agentId: string | undefined): Promise<Own> {
  const [rows = []] = await readInTenant(place, [sourcesStatement(place.tenantId, agentId)]);
  return ownSources(rows, () => keyringOf(place));
}

export function sourcesStatement(tenantId: string, agentId: string | undefined): Statement {
  return { text: sourcesSql(`${schemaOf(tenantId)}.`), values: [agentId ?? ''] };
}

/** As of the transaction one is in, with what platform and packs say. */
export async function sourcesIn(
  sql: Sql,
  agentId: string | undefined,
  keyring: () => Promise<Keyring>,
): Promise<Sources> {
  const rows = await sql<Row>(sourcesSql(''), [agentId ?? '']);
  return { ...(await ownSources(rows, keyring)), platform: await platformDocument() };
}

/** The newest row of the tenant and, of one of its agents, the agent's as well; with neither, one that names the plan. */
const sourcesSql = (schema: string) => `
  SELECT t.id, t.plan, t.plan_version, (SELECT coalesce(max(number), 0) FROM ${schema}setting_versions) AS newest, v.* FROM ${schema}tenant t LEFT JOIN LATERAL (
    SELECT DISTINCT ON (coalesce(agent_id, '')) number, agent_id, document, sealed_document, packs
    FROM ${schema}setting_versions WHERE coalesce(agent_id, '') IN ('', $1)
    ORDER BY coalesce(agent_id, ''), number DESC) v ON true`;

export async function ownSources(rows: Row[], keyring: () => Promise<Keyring>): Promise<Own> {
  const [tenant] = rows.filter((row) => row.number !== null && row.agent_id === null);
  const [agent] = rows.filter((row) => row.agent_id !== null);
  return {
    plan: planDocument(rows[0]),
    tenant: await documentOf(tenant, keyring),
    agent: await documentOf(agent, keyring),
    packs: packNames.filter(
      (name): name is PackName => (tenant?.packs as string[] | undefined)?.includes(name) ?? false,
    ),
  };
}

function planDocument(row: Row | undefined): SettingDocument {
  const plan = plans.find((each) => each.name === row?.plan && each.version === Number(row?.plan_version));
  return asDocument(plan?.settings);
}

/** A level's document, with what is sealed of it opened. */
export async function documentOf(
  row: Row | undefined,
  keyring: () => Promise<Keyring>,
): Promise<SettingDocument> {
  if (!row) return {};
  const open = asDocument(row.document);
  const { sealed_document: sealed } = row;
  if (!(sealed instanceof Uint8Array)) return open;
  const text = (await keyring()).open(sealedColumn, String(row.number), Buffer.from(sealed));
  return { ...open, ...asDocument(JSON.parse(text)) };
}

export const sealedColumn = 'setting_versions.sealed_document';
