import { type AgentDefinition, agentDefinition } from '../../policies/agent-definition.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { agentKind, draftColumn, notThere, published, understood, type Which } from './definition.ts';

/** What an agent is told and may do: the draft, the live version, or one by its number. */
export type AgentVersion = { agentId: string; version: number | null; definition: AgentDefinition };

/** `version` is null for the draft. Refuses what is not there: another tenant's agent is simply unknown here. */
export async function agentVersion(
  sql: Sql,
  keyring: Keyring,
  agentId: string,
  which: Which,
): Promise<AgentVersion> {
  if (which === 'draft') return draft(sql, keyring, agentId);
  const { version, definition } = await published(sql, agentKind, keyring, agentId, which);
  return {
    agentId,
    version,
    definition: understood(agentDefinition, definition, `Version ${version} of ${agentId}`),
  };
}

async function draft(sql: Sql, keyring: Keyring, agentId: string): Promise<AgentVersion> {
  const [row] = await sql<AgentDraft>(
    'SELECT id, model, instructions, sealed_definition FROM agents WHERE id = $1',
    [agentId],
  );
  if (!row) throw notThere(agentKind, agentId, 'draft');
  return { agentId, version: null, definition: draftOf(keyring, row) };
}

export type AgentDraft = {
  id: string;
  model: string;
  instructions: string;
  sealed_definition: Buffer | null;
};

/** The model stands in a column of its own, by which agents are listed. */
export function draftOf(keyring: Keyring, row: AgentDraft): AgentDefinition {
  const { id, model, instructions, sealed_definition: sealed } = row;
  const kept = sealed ? JSON.parse(keyring.open(draftColumn(agentKind), id, sealed)) : { instructions };
  return understood(agentDefinition, { ...kept, model }, `The draft of ${id}`);
}

export const sealDraft = (keyring: Keyring, id: string, definition: AgentDefinition): Buffer =>
  keyring.seal(draftColumn(agentKind), id, JSON.stringify({ ...definition, model: undefined }));
