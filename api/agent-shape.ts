import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { type AgentDraft, draftOf } from '../models/tenant/agent-version.ts';
import { agentDefinition } from '../policies/agent-definition.ts';
import { environments } from '../policies/rule.ts';
import { iso } from './present.ts';
import { changesNothing, changing, id, line, moment } from './shapes.ts';

/** Agents as they are written and shown: what names one, and the draft of its definition. */
const text = (max: number) => z.string().max(max, `must have at most ${max} characters`);
const tags = z
  .array(line(50))
  .max(20, 'must have at most 20 tags')
  .refine((all) => new Set(all).size === all.length, 'must not name a tag twice');

const { shape } = agentDefinition;
const named = {
  name: line(100),
  description: text(1_000),
  model: line(100),
  tags,
  environment: z.enum(environments),
};
const defined = {
  instructions: text(50_000),
  tools: shape.tools.unwrap(),
  limits: shape.limits.unwrap(),
  memory: shape.memory.unwrap(),
};
/** What need not be there is taken away by null. */
const optional = {
  providerId: shape.providerId.unwrap(),
  temperature: shape.temperature.unwrap(),
  maxOutputTokens: shape.maxOutputTokens.unwrap(),
  outputSchema: shape.outputSchema.unwrap(),
};

export const written = z.strictObject({
  ...named,
  description: named.description.default(''),
  tags: tags.default([]),
  environment: named.environment.default('production'),
  instructions: shape.instructions,
  tools: shape.tools,
  limits: shape.limits,
  memory: shape.memory,
  providerId: shape.providerId,
  temperature: shape.temperature,
  maxOutputTokens: shape.maxOutputTokens,
  outputSchema: shape.outputSchema,
});

export const changed = z
  .strictObject({
    ...named,
    ...defined,
    providerId: optional.providerId.nullable(),
    temperature: optional.temperature.nullable(),
    maxOutputTokens: optional.maxOutputTokens.nullable(),
    outputSchema: optional.outputSchema.nullable(),
  })
  .partial()
  .refine(changing, changesNothing);

const hideable = { description: 'Absent when no role of yours lets you read it.' };
const absent = { description: 'Absent when it was not said, or when no role of yours lets you read it.' };

export const definitionShape = z
  .object({
    instructions: z.string().optional().meta(hideable),
    model: z.string().optional().meta(hideable),
    providerId: optional.providerId.optional().meta(absent),
    temperature: optional.temperature.optional().meta(absent),
    maxOutputTokens: optional.maxOutputTokens.optional().meta(absent),
    tools: defined.tools.optional().meta(hideable),
    limits: defined.limits.optional().meta(hideable),
    memory: defined.memory.optional().meta(hideable),
    outputSchema: optional.outputSchema.optional().meta(absent),
  })
  .meta({ id: 'AgentDefinition' });

export const agent = z
  .object({
    id: id('agt'),
    name: z.string(),
    description: z.string().optional().meta(hideable),
    ...definitionShape.shape,
    tags: z.array(z.string()).optional().meta(hideable),
    environment: z.enum(environments).optional().meta(hideable),
    ownerId: z.string().nullable().optional().meta(hideable),
    liveVersion: z.int().nullable().meta({ description: 'What runs take that do not ask for the draft.' }),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'Agent' });

/** `hidden` are the fields that whoever asks may not read. */
export function presentAgent(row: Row, keyring: Keyring, hidden: string[] = []) {
  // The statement behind every such row selects these columns (models/tenant/agent.ts).
  const { instructions, ...definition } = draftOf(keyring, row as AgentDraft);
  const whole = {
    id: String(row.id),
    name: row.name,
    description: row.description,
    instructions,
    ...definition,
    tags: row.tags,
    environment: row.environment,
    ownerId: row.owner_id ?? null,
    liveVersion: row.live_version ?? null,
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
  return without(whole, hidden);
}

/** Hideable fields are optional in the shapes above. */
export function without<T extends object>(whole: T, hidden: string[]): T {
  if (hidden.length === 0) return whole;
  return Object.fromEntries(Object.entries(whole).filter(([name]) => !hidden.includes(name))) as T;
}
