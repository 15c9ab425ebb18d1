import { type Naming, namesIn, type PackageContent, renamed } from '../../policies/agent-package.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Row } from '../batch.ts';
import { newId } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { agentVersion } from './agent-version.ts';
import type { Which } from './definition.ts';
import { workflowVersion } from './workflow-version.ts';

/** Gathers what an agent or workflow needs: agents it hands work to, workflows it runs, and what has to be bound. */
export type Wanted = {
  root: { kind: 'agent' | 'workflow'; id: string; which: Which | undefined };
  tenantId: string;
  recipient: string | null;
  days: number;
  /** Refuses what whoever exports may not read, whole. */
  insistReadable: (kind: 'agent' | 'workflow', row: Row) => void;
};
const itemsMax = 50;
const dayMs = 86_400_000;

export async function gathered(sql: Sql, keyring: Keyring, wanted: Wanted): Promise<PackageContent> {
  const { root, tenantId, recipient, days } = wanted;
  const refs = new Map<string, string>([[root.id, root.kind === 'agent' ? 'a1' : 'w1']]);
  const slots = new Map<string, PackageContent['slots'][number]>();
  const made: Pick<PackageContent, 'agents' | 'workflows'> = { agents: [], workflows: [] };
  // A Map is walked in the order of its entries, those added meanwhile included.
  for (const [id, ref] of refs) {
    if (refs.size > itemsMax)
      throw new Refusal(
        'unprocessable',
        `It needs more than ${itemsMax} agents and workflows, which is too much for one package.`,
      );
    const kind = ref.startsWith('a') ? 'agent' : 'workflow';
    const [row, definition] = await loaded(sql, keyring, {
      kind,
      id,
      which: id === root.id ? root.which : undefined,
    });
    wanted.insistReadable(kind, row);
    for (const { kind: named, name } of namesIn(definition)) await note(sql, { refs, slots }, named, name);
    const rename = (named: Naming, name: string) =>
      named === 'agent' || named === 'workflow' ? `ref:${refs.get(name)}` : `slot:${slots.get(name)?.name}`;
    const item = {
      ref,
      name: String(row.name),
      description: String(row.description),
      tags: row.tags as string[],
    };
    const list = kind === 'agent' ? made.agents : made.workflows;
    // Parsed by its shape when it was opened, and exchanged name for name.
    list.push({
      ...item,
      definition: renamed(definition, rename) as PackageContent['agents'][number]['definition'],
    });
  }
  const now = Date.now();
  return {
    format: 'freehold-agent-package/1',
    id: newId('pkg'),
    exportedBy: { tenantId },
    exportedAt: new Date(now).toISOString(),
    expiresAt: new Date(now + days * dayMs).toISOString(),
    recipient,
    root: refs.get(root.id) ?? '',
    ...made,
    slots: [...slots.values()],
  };
}

type Loading = { kind: 'agent' | 'workflow'; id: string; which: Which | undefined };
async function loaded(sql: Sql, keyring: Keyring, { kind, id, which }: Loading) {
  const of = kind === 'agent' ? ', environment FROM agents' : 'FROM workflows';
  const [row] = await sql(`SELECT id, name, description, tags, owner_id, live_version ${of} WHERE id = $1`, [
    id,
  ]);
  if (!row) throw new Refusal('unprocessable', `There is no ${kind} ${id}.`);
  // What is live is what was found good; what never was published goes as its draft.
  const version = which ?? (row.live_version === null ? 'draft' : 'live');
  const { definition } =
    kind === 'agent'
      ? await agentVersion(sql, keyring, id, version)
      : await workflowVersion(sql, keyring, id, version);
  return [row, definition] as const;
}

type Known = { refs: Map<string, string>; slots: Map<string, PackageContent['slots'][number]> };
async function note(sql: Sql, { refs, slots }: Known, kind: Naming, id: string): Promise<void> {
  if (kind === 'agent' || kind === 'workflow') {
    if (!refs.has(id)) refs.set(id, `${kind === 'agent' ? 'a' : 'w'}${refs.size + 1}`);
    return;
  }
  if (slots.has(id)) return;
  const table = kind === 'provider' ? 'llm_providers' : 'integrations';
  const [row] = await sql<{ name: string }>(`SELECT name FROM ${table} WHERE id = $1`, [id]);
  slots.set(id, { name: `${kind}-${slots.size + 1}`, kind, title: row?.name ?? `A ${kind} that is gone` });
}
