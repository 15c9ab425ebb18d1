import { type WorkflowDefinition, workflowDefinition } from '../../policies/workflow-definition.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { draftColumn, notThere, published, understood, type Which, workflowKind } from './definition.ts';

/** What a workflow does: the draft, the live version, or one by its number. */
export type WorkflowVersion = { workflowId: string; version: number | null; definition: WorkflowDefinition };

/** `version` is null for the draft. Refuses what is not there: another tenant's workflow is simply unknown here. */
export async function workflowVersion(
  sql: Sql,
  keyring: Keyring,
  workflowId: string,
  which: Which,
): Promise<WorkflowVersion> {
  if (which !== 'draft') {
    const { version, definition } = await published(sql, workflowKind, keyring, workflowId, which);
    return {
      workflowId,
      version,
      definition: understood(workflowDefinition, definition, `Version ${version} of ${workflowId}`),
    };
  }
  const [row] = await sql<{ sealed_definition: Buffer }>(
    'SELECT sealed_definition FROM workflows WHERE id = $1',
    [workflowId],
  );
  if (!row) throw notThere(workflowKind, workflowId, 'draft');
  return {
    workflowId,
    version: null,
    definition: workflowDraftOf(keyring, workflowId, row.sealed_definition),
  };
}

export const workflowDraftOf = (keyring: Keyring, id: string, sealed: Buffer): WorkflowDefinition =>
  understood(
    workflowDefinition,
    JSON.parse(keyring.open(draftColumn(workflowKind), id, sealed)),
    `The draft of ${id}`,
  );

export const sealWorkflowDraft = (keyring: Keyring, id: string, definition: WorkflowDefinition): Buffer =>
  keyring.seal(draftColumn(workflowKind), id, JSON.stringify(definition));
