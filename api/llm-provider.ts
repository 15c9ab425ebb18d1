import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import { usePurposes } from '../models/tenant/llm-use.ts';
import { llmKinds } from '../policies/llm-provider.ts';
import { modelVerdicts } from '../policies/model-verdict.ts';
import { iso } from './present.ts';
import { changesNothing, changing, id, line, moment } from './shapes.ts';

/** Model providers as the API takes and shows them. Of a credential nothing is shown but its last four characters. */
const credential = z.object({
  lastFour: z.string().meta({ description: 'Empty for a secret so short that four would tell much of it.' }),
  createdAt: moment,
  validUntil: moment
    .nullable()
    .meta({ description: 'null: the one that is used. Otherwise until when it stands in for it.' }),
  lastUsedAt: moment.nullable(),
  refusedAt: moment.nullable().meta({ description: 'When the provider last did not accept it.' }),
});

export const llmProvider = z
  .object({
    id: id('llm'),
    name: z.string(),
    kind: z.enum(llmKinds),
    baseUrl: z.string().nullable(),
    apiVersion: z.string().nullable(),
    region: z.string(),
    models: z.array(z.string()).nullable(),
    aliases: z.record(z.string(), z.string()),
    agents: z.array(z.string()).nullable(),
    timeoutSeconds: z.int(),
    enabled: z.boolean(),
    credentials: z.array(credential),
    createdBy: z.string(),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'LlmProvider' });
export type LlmProvider = z.infer<typeof llmProvider>;

export function presentProvider(row: Row) {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    baseUrl: row.base_url ?? null,
    apiVersion: row.api_version ?? null,
    region: row.region,
    models: row.models ?? null,
    aliases: row.aliases,
    agents: row.agents ?? null,
    timeoutSeconds: row.timeout_seconds,
    enabled: row.enabled,
    credentials: credentialsOf(row),
    createdBy: row.created_by,
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

function credentialsOf({ credentials }: Row) {
  // Made by models/tenant/llm-provider.ts, moments as Postgres writes them into JSON.
  return (credentials as Record<string, string | null>[]).map((each) => ({
    lastFour: each.lastFour,
    createdAt: iso(each.createdAt),
    validUntil: iso(each.validUntil),
    lastUsedAt: iso(each.lastUsedAt),
    refusedAt: iso(each.refusedAt),
  }));
}

// It goes into a header, so only what may stand there; long enough for tokens of clouds.
export const secret = z
  .string()
  .min(8, 'must have at least 8 characters')
  .max(4_000, 'must have at most 4000 characters')
  .regex(/^[!-~]+$/, 'must be printable ASCII without blanks')
  .meta({ description: 'Write-only: only its last four characters are ever shown.' });

const model = line(200);
const unique = <T>(all: T[]) => new Set(all).size === all.length;

const fields = {
  name: line(100),
  baseUrl: line(500).nullable().meta({
    description:
      'Where its API is, such as https://models.example.com/v1. Default: where the kind usually is.',
  }),
  apiVersion: line(50)
    .nullable()
    .meta({ description: 'Azure only: asks deployments by name, with this api-version.' }),
  region: line(50).meta({ description: 'The residency group in which it processes what it is sent.' }),
  models: z
    .array(model)
    .min(1, 'must name a model; null allows all it has')
    .max(200, 'must have at most 200 models')
    .refine(unique, 'must not name a model twice')
    .nullable()
    .meta({ description: 'What may be asked of it. null: whatever it has.' }),
  aliases: z
    .record(model, model)
    .refine((all) => Object.keys(all).length <= 200, 'must have at most 200 aliases')
    .meta({ description: 'Names agents ask for, and what this provider calls them.' }),
  agents: z
    .array(id('agt'))
    .max(200, 'must have at most 200 agents')
    .refine(unique, 'must not name an agent twice')
    .nullable()
    .meta({ description: 'The agents that may use it. null: all.' }),
  timeoutSeconds: z
    .int()
    .min(1, 'must be at least 1')
    .max(900, 'must be at most 900, a quarter of an hour')
    .meta({ description: 'What one call may take.' }),
  enabled: z.boolean(),
};

export const written = z.strictObject({
  name: fields.name,
  kind: z.enum(llmKinds),
  baseUrl: fields.baseUrl.default(null),
  apiVersion: fields.apiVersion.default(null),
  region: fields.region,
  models: fields.models.default(null),
  aliases: fields.aliases.default({}),
  agents: fields.agents.default(null),
  timeoutSeconds: fields.timeoutSeconds.default(300),
  enabled: fields.enabled.default(true),
  credential: secret.optional(),
});
export const changed = z
  .strictObject({ ...fields, credential: secret })
  .partial()
  .refine(changing, changesNothing);

export const llmUse = z
  .object({
    seq: z.string(),
    at: moment,
    purpose: z.enum(usePurposes),
    principalId: z.string(),
    agentId: z.string().nullable(),
    runId: z.string().nullable(),
    model: z.string(),
    region: z.string(),
    outcome: z.string().meta({
      description: `begun, answered, cancelled, refused, failed, or one of: ${modelVerdicts.join(', ')}`,
    }),
    tokens: z
      .object({ input: z.int(), output: z.int(), cached: z.int(), reasoning: z.int() })
      .nullable()
      .meta({ description: 'As the provider counted them; null where it did not.' }),
    milliseconds: z.int().nullable(),
    instead: z
      .object({ model: z.string(), restrictionId: z.string() })
      .nullable()
      .meta({ description: 'What was asked for, and which restriction put this model in its place.' }),
  })
  .meta({ id: 'LlmUse' });

export function presentUse(row: Row) {
  const count = (value: unknown) => Number(value ?? 0);
  return {
    seq: String(row.seq),
    at: iso(row.at),
    purpose: row.purpose,
    principalId: row.principal_id,
    agentId: row.agent_id ?? null,
    runId: row.run_id ?? null,
    model: row.model,
    region: row.region,
    outcome: row.outcome,
    tokens:
      row.input_tokens === null
        ? null
        : {
            input: count(row.input_tokens),
            output: count(row.output_tokens),
            cached: count(row.cached_tokens),
            reasoning: count(row.reasoning_tokens),
          },
    milliseconds: row.milliseconds ?? null,
    instead:
      typeof row.restriction_id === 'string'
        ? { model: row.instead_of, restrictionId: row.restriction_id }
        : null,
  };
}
