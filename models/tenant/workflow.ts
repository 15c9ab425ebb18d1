import { Refusal } from '../../policies/refusal.ts';
import type { WorkflowDefinition } from '../../policies/workflow-definition.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import { isDuplicate, type Sql, sqlState } from '../scope.ts';
import type { Visible } from '../visible.ts';
import { sealWorkflowDraft } from './workflow-version.ts';

/** Workflows of the tenant one is in; the row is the draft, its versions are in models/tenant/publishing.ts. */
export type NewWorkflow = {
  name: string;
  description: string;
  tags: string[];
  definition: WorkflowDefinition;
  /** Absent: a new one. */
  id?: string;
};

const columns = `id, name, description, tags, owner_id, sealed_definition, live_version, latest_version, version,
  created_at, updated_at`;

export function workflowById(tenantId: string, id: string): Statement {
  return { text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.workflows WHERE id = $1`, values: [id] };
}

export function workflowList(
  tenantId: string,
  filter: { name?: string | undefined; tag?: string | undefined },
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const parts = [
    filter.name && `name_key = ${slot(nameKey(filter.name))}`,
    filter.tag && `${slot(filter.tag)} = ANY (tags)`,
    cursor && `id < ${slot(cursor)}`,
  ].filter(Boolean);
  const may = visible(values.length + 1);
  values.push(...may.values);
  const text = `SELECT ${columns} FROM ${schemaOf(tenantId)}.workflows WHERE ${[...parts, may.text].join(' AND ')}
    ORDER BY id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}

const nameKey = (name: string): string => name.normalize('NFKC').toLowerCase();

export async function createWorkflow(
  sql: Sql,
  keyring: Keyring,
  given: NewWorkflow,
  ownerId: string,
): Promise<string> {
  const { id = newId('wfl') } = given;
  await onceNamed(given.name, () =>
    sql(
      'INSERT INTO workflows (id, name, name_key, description, tags, owner_id, sealed_definition) VALUES ($1, $2, $3, $4, $5, $6, $7)',
      [
        id,
        given.name,
        nameKey(given.name),
        given.description,
        given.tags,
        ownerId,
        sealWorkflowDraft(keyring, id, given.definition),
      ],
    ),
  );
  return id;
}

export async function updateWorkflow(
  sql: Sql,
  keyring: Keyring,
  id: string,
  next: NewWorkflow,
): Promise<void> {
  await onceNamed(next.name, () =>
    sql(
      `UPDATE workflows SET name = $2, name_key = $3, description = $4, tags = $5, sealed_definition = $6,
         version = version + 1, updated_at = now() WHERE id = $1`,
      [
        id,
        next.name,
        nameKey(next.name),
        next.description,
        next.tags,
        sealWorkflowDraft(keyring, id, next.definition),
      ],
    ),
  );
}

export async function deleteWorkflow(sql: Sql, id: string): Promise<void> {
  try {
    await sql('DELETE FROM workflows WHERE id = $1', [id]);
  } catch (cause) {
    if (sqlState(cause) !== '23503') throw cause;
    throw new Refusal('conflict', 'Published versions of other workflows run it; remove those first.', {
      cause,
    });
  }
}

/** Which agents and workflows a version runs: those cannot be removed while it is there. */
export async function rememberUses(
  sql: Sql,
  { id, version }: { id: string; version: number },
  used: { agents: string[]; workflows: string[] },
): Promise<void> {
  const uses = 'INSERT INTO workflow_uses (workflow_id, version, used,';
  await sql(`${uses} used_agent_id) SELECT $1, $2, each, each FROM unnest($3::text[]) AS each`, [
    id,
    version,
    used.agents,
  ]);
  await sql(
    `${uses} used_workflow_id) SELECT $1, $2, each, each FROM unnest($3::text[]) AS each WHERE each <> $1`,
    [id, version, used.workflows],
  );
}

async function onceNamed<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    const detail = `There is already a workflow called “${name}”.`;
    throw new Refusal('conflict', detail, { cause, errors: [{ pointer: '/name', code: 'taken', detail }] });
  }
}
