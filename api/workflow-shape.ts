import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { workflowDraftOf } from '../models/tenant/workflow-version.ts';
import { workflowDefinition } from '../policies/workflow-definition.ts';
import { iso } from './present.ts';
import { changesNothing, changing, id, line, moment } from './shapes.ts';

/** Workflows as they are written and shown. The definition is sent whole: an editor holds all of it anyway. */
const description = z.string().max(1_000, 'must have at most 1000 characters');
const tags = z
  .array(line(50))
  .max(20, 'must have at most 20 tags')
  .refine((all) => new Set(all).size === all.length, 'must not name a tag twice');

export const written = z.strictObject({
  name: line(100),
  description: description.default(''),
  tags: tags.default([]),
  definition: workflowDefinition,
});
export const changed = z
  .strictObject({ name: line(100), description, tags, definition: workflowDefinition })
  .partial()
  .refine(changing, changesNothing);

/** Steps within steps make the shape endless; GET /v1/workflows/schema tells it whole. */
export const definitionShown = z
  .looseObject({ steps: z.array(z.looseObject({ id: z.string(), kind: z.string() })) })
  .meta({ id: 'WorkflowDefinition', description: 'As GET /v1/workflows/schema says.' });

export const workflow = z
  .object({
    id: id('wfl'),
    name: z.string(),
    description: z.string(),
    tags: z.array(z.string()),
    definition: definitionShown,
    ownerId: z.string().nullable(),
    liveVersion: z.int().nullable().meta({ description: 'What runs take that do not ask for the draft.' }),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'Workflow' });

export function presentWorkflow(row: Row, keyring: Keyring) {
  const key = String(row.id);
  return {
    id: key,
    name: String(row.name),
    description: String(row.description),
    tags: row.tags as string[],
    definition: workflowDraftOf(keyring, key, row.sealed_definition as Buffer),
    ownerId: row.owner_id ?? null,
    liveVersion: row.live_version ?? null,
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

export const faults = z.object({
  faults: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })),
});
