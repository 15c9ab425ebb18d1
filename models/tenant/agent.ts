import type { AgentDefinition } from '../../policies/agent-definition.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import { isDuplicate, sqlState, type TenantScope } from '../scope.ts';
import type { Stored } from '../stored.ts';
import type { Visible } from '../visible.ts';
import { sealDraft } from './agent-version.ts';
import { amountNow } from './quota.ts';
import type { AgentRow } from './tables.ts';

/** Agents of the tenant one is in. The two reads are a hot path: see models/batch.ts. */
export type NewAgent = Pick<AgentRow, 'name' | 'description' | 'model' | 'tags' | 'environment'> & {
  definition: AgentDefinition;
  /** Absent: a new one. */
  id?: string;
};

const columns = `id, name, description, instructions, sealed_definition, model, tags, environment, owner_id, version,
  live_version, latest_version, created_at, updated_at`;

export function agentById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.agents WHERE id = $1`, values: [id] };
}

export type AgentFilter = {
  name?: string | undefined;
  model?: string | undefined;
  tag?: string | undefined;
  environment?: string | undefined;
};

/** Only what was asked for stands in the statement, so that its plan can use what narrows it most. */
export function agentList(
  tenantId: string,
  filter: AgentFilter,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const parts = [
    filter.name && `name_key = ${slot(nameKey(filter.name))}`,
    filter.model && `model = ${slot(filter.model)}`,
    filter.tag && `${slot(filter.tag)} = ANY (tags)`,
    filter.environment && `environment = ${slot(filter.environment)}`,
    cursor && `id < ${slot(cursor)}`,
  ].filter(Boolean);
  const may = visible(values.length + 1);
  values.push(...may.values);
  const text = `SELECT ${columns} FROM ${schemaOf(tenantId)}.agents WHERE ${[...parts, may.text].join(' AND ')}
    ORDER BY id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

/** Names are unique without regard to case or Unicode form. */
function nameKey(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

export async function createAgent(
  tenant: TenantScope,
  keyring: Keyring,
  { definition, id = newId('agt'), ...given }: NewAgent,
  ownerId: string,
): Promise<Stored<AgentRow>> {
  await refuseOverLimit(tenant);
  const sealedDefinition = sealDraft(keyring, id, definition);
  return onceNamed(given.name, () =>
    tenant.Agent.create({ id, ...given, sealedDefinition, nameKey: nameKey(given.name), ownerId }),
  );
}

export async function updateAgent(
  agent: Stored<AgentRow>,
  keyring: Keyring,
  { definition, ...changes }: Partial<Omit<NewAgent, 'definition' | 'id'>> & Pick<NewAgent, 'definition'>,
): Promise<Stored<AgentRow>> {
  const name = changes.name ?? agent.name;
  const sealed = {
    sealedDefinition: sealDraft(keyring, agent.id, definition),
    // Where rows older than that column keep them in the clear.
    instructions: '',
  };
  const always = { nameKey: nameKey(name), version: agent.version + 1, updatedAt: new Date() };
  return onceNamed(name, () => agent.update({ ...changes, ...sealed, ...always }));
}

export async function removeAgentRow(tenant: TenantScope, id: string): Promise<void> {
  try {
    await tenant.Agent.destroy({ where: { id } });
  } catch (cause) {
    if (sqlState(cause) !== '23503') throw cause;
    const detail = 'Published versions of other agents or of workflows name it; remove those first.';
    throw new Refusal('conflict', detail, { cause });
  }
}

/** Two creations at once queue on the quota row, so that the last free place is given once. */
async function refuseOverLimit({ sql }: TenantScope): Promise<void> {
  const [quota] = await sql<{ amount: string }>(
    `SELECT ${amountNow} AS amount FROM quotas q WHERE id = 'plan.agents' FOR UPDATE`,
  );
  const [counted] = await sql<{ count: string }>('SELECT count(*) FROM agents');
  if (!quota || Number(counted?.count) < Number(quota.amount)) return;
  throw new Refusal(
    'conflict',
    `This plan holds ${quota.amount} agents, and there are as many; remove one or raise the limit.`,
  );
}

async function onceNamed(name: string, act: () => Promise<Stored<AgentRow>>): Promise<Stored<AgentRow>> {
  try {
    return await act();
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    throw new Refusal('conflict', `There is already an agent called “${name}”.`, {
      cause,
      errors: [{ pointer: '/name', code: 'taken', detail: `There is already an agent called “${name}”.` }],
    });
  }
}
