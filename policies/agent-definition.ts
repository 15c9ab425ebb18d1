import { z } from 'zod';

/**
 * What an agent is told and may do, as one version of it: immutable once made. Limits are those of one run; reaching
 * one ends the run with a refusal that names it.
 */
const name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower-case letters, digits and _, at most 64, a letter first');
const jsonSchema = z.record(z.string(), z.json()).describe('A JSON Schema (draft 2020-12).');
const idOf = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`));

const agentTool = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('integration'),
    name,
    description: z.string().max(1_000),
    integrationId: idOf('int'),
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    /** Below the integration's base URL; `{name}` stands for an argument. */
    path: z.string().startsWith('/').max(500),
    inputSchema: jsonSchema,
  }),
  z.strictObject({ kind: z.literal('memory'), name, access: z.enum(['read', 'write']) }),
  z.strictObject({
    kind: z.literal('hand-off'),
    name,
    description: z.string().max(1_000),
    agentId: idOf('agt'),
  }),
]);
export type AgentTool = z.infer<typeof agentTool>;

export const agentLimits = z.strictObject({
  /** Calls of the model and of tools together. */
  steps: z.int().min(1).max(1_000).default(50),
  minutes: z.int().min(1).max(10_080).default(60),
  /** In and out together, over all models. */
  tokens: z.int().min(1).max(100_000_000).default(1_000_000),
  /** Agents within agents, and workflows within workflows. */
  depth: z.int().min(1).max(10).default(4),
});

export const agentDefinition = z.strictObject({
  instructions: z.string().max(50_000).default(''),
  model: z.string().min(1).max(100),
  /** Absent: the organisation's default provider and its fallbacks. */
  providerId: idOf('llm').optional(),
  temperature: z.number().min(0).max(2).optional(),
  maxOutputTokens: z.int().min(1).max(1_000_000).optional(),
  tools: z.array(agentTool).max(64).default([]),
  limits: agentLimits.prefault({}),
  memory: z
    .strictObject({
      /** What is put before the model by itself: nothing, this conversation, or everything the agent remembers. */
      recall: z.enum(['none', 'conversation', 'agent']).default('conversation'),
      items: z.int().min(1).max(200).default(20),
    })
    .prefault({}),
  outputSchema: jsonSchema.optional(),
});
export type AgentDefinition = z.infer<typeof agentDefinition>;
