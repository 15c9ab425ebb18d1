import { Refusal } from '../../policies/refusal.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import { isDuplicate, type TenantScope } from '../scope.ts';
import type { Stored } from '../stored.ts';
import type { Visible } from '../visible.ts';
import type { AgentRow } from './tables.ts';

/** Agents of the tenant one is in. The two reads are a hot path: see models/batch.ts. */
export type NewAgent = Pick<
  AgentRow,
  'name' | 'description' | 'instructions' | 'model' | 'tags' | 'environment'
>;

const columns =
  'id, name, description, instructions, model, tags, environment, owner_id, version, created_at, updated_at';

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
  given: NewAgent,
  ownerId: string,
): Promise<Stored<AgentRow>> {
  await refuseOverLimit(tenant);
  return onceNamed(given.name, () =>
    tenant.Agent.create({ id: newId('agt'), ...given, nameKey: nameKey(given.name), ownerId }),
  );
}

export async function updateAgent(
  agent: Stored<AgentRow>,
  changes: Partial<NewAgent>,
): Promise<Stored<AgentRow>> {
  const name = changes.name ?? agent.name;
  return onceNamed(name, () =>
    agent.update({ ...changes, nameKey: nameKey(name), version: agent.version + 1, updatedAt: new Date() }),
  );
}

/** Two creations at once queue on the quota row, so that the last free place is given once. */
async function refuseOverLimit({ sql }: TenantScope): Promise<void> {
  const [quota] = await sql<{ amount: string }>(
    "SELECT amount FROM quotas WHERE meter = 'agents' FOR UPDATE",
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
