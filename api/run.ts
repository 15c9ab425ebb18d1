import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { openInRun } from '../models/tenant/run.ts';
import { holderIn } from '../models/tenant/run-hold.ts';
import type { StepRow } from '../models/tenant/run-step.ts';
import { approvalStates, runRefusals, runStates, runStepKinds, runStepStates } from '../policies/run.ts';
import { namesIn, type RunBudget } from '../policies/run-budget.ts';
import { measures } from '../policies/usage-ladder.ts';
import { iso } from './present.ts';
import { id, moment } from './shapes.ts';

/** Runs as the API shows them. */
export const runLimits = z.strictObject({
  steps: z.int().min(1),
  minutes: z.int().min(1),
  tokens: z.int().min(1),
  depth: z.int().min(1),
});

const budgetAmount = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
export const runBudget = z
  .strictObject({ tokens: budgetAmount, steps: budgetAmount })
  .partial()
  .refine((budget) => Object.keys(budget).length > 0, 'must say how many tokens or steps');
const spending = z.object({ reserved: z.int(), used: z.int() });

const summary = {
  id: id('run'),
  state: z.enum(runStates),
  wanted: z.enum(['running', 'paused', 'cancelled']),
  agentId: id('agt').nullable(),
  workflowId: id('wfl').nullable(),
  version: z.int().nullable().meta({ description: 'Of the agent or workflow, pinned; null for a draft.' }),
  environment: z.enum(['draft', 'live']),
  ownerId: z.string(),
  origin: z.looseObject({ kind: z.enum(['request', 'schedule', 'trigger']) }),
  conversationId: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  limits: runLimits,
  budget: z
    .object({ tokens: spending, steps: spending })
    .partial()
    .nullable()
    .meta({ description: 'Held for the run from its start, and what all its rounds have used of it.' }),
  used: z.object({ steps: z.int(), inputTokens: z.int(), outputTokens: z.int() }),
  refusal: z.object({ code: z.enum(runRefusals), detail: z.string() }).nullable(),
  round: z.int(),
  requestId: z.string().nullable(),
  createdAt: moment,
  startedAt: moment.nullable(),
  endedAt: moment.nullable(),
  updatedAt: moment,
};
export const runSummary = z.object(summary).meta({ id: 'RunSummary' });

const step = z.object({
  path: z.string(),
  kind: z.enum(runStepKinds),
  state: z.enum(runStepStates),
  attempts: z.int(),
  tokens: z.int(),
  output: z.unknown().optional(),
  refusal: z.object({ code: z.enum(runRefusals), detail: z.string() }).nullable(),
  startedAt: moment,
  endedAt: moment.nullable(),
});
const heldBy = z.object({
  restrictionId: id('rsn'),
  measure: z.enum(measures),
  reason: z.string(),
  whatToDo: z.string(),
  until: moment.nullable(),
});
export const runWhole = z
  .object({
    ...summary,
    heldBy: heldBy
      .nullable()
      .meta({ description: 'The restriction that keeps it from beginning, or from going on.' }),
    input: z.unknown(),
    output: z.unknown(),
    steps: z.array(step),
  })
  .meta({ id: 'Run' });

export const approval = z
  .object({
    path: z.string(),
    role: z.string(),
    state: z.enum(approvalStates),
    question: z.string(),
    askedAt: moment,
    expiresAt: moment,
    by: z.string().nullable(),
    at: moment.nullable(),
    comment: z.string().nullable(),
  })
  .meta({ id: 'RunApproval' });

export function presentRun(keyring: Keyring, row: Row) {
  const detail = openInRun(keyring, 'sealed_refusal', row);
  return {
    id: row.id,
    state: row.state,
    wanted: row.wanted,
    agentId: row.agent_id ?? null,
    workflowId: row.workflow_id ?? null,
    version: row.definition_version ?? null,
    environment: row.environment,
    ownerId: row.owner_id,
    origin: { kind: row.origin, id: row.origin_id ?? null },
    conversationId: row.conversation_id ?? null,
    labels: openInRun(keyring, 'sealed_labels', row),
    limits: row.limits,
    budget: spendingOf(row),
    used: {
      steps: row.steps_used,
      inputTokens: Number(row.tokens_input),
      outputTokens: Number(row.tokens_output),
    },
    refusal: row.refusal_code ? { code: row.refusal_code, detail: detail ?? '' } : null,
    round: row.round,
    requestId: row.request_id ?? null,
    createdAt: iso(row.created_at),
    startedAt: iso(row.started_at),
    endedAt: iso(row.ended_at),
    updatedAt: iso(row.updated_at),
  };
}

function spendingOf(row: Row) {
  const budget = row.budget as RunBudget | null; // written from this type
  if (!budget) return null;
  const used = {
    tokens: Number(row.tokens_input) + Number(row.tokens_output),
    steps: Number(row.steps_used),
  };
  return Object.fromEntries(
    namesIn(budget).map((name) => [name, { reserved: budget[name], used: used[name] }]),
  );
}

export function presentWholeRun(keyring: Keyring, row: Row, steps: StepRow[]) {
  return {
    ...presentRun(keyring, row),
    heldBy: holderIn(row.holder),
    input: openInRun(keyring, 'sealed_input', row) ?? null,
    output: openInRun(keyring, 'sealed_output', row) ?? null,
    steps: steps.map(presentStep),
  };
}

function presentStep({
  path,
  kind,
  state,
  attempts,
  tokens,
  output,
  code,
  refusal,
  startedAt,
  endedAt,
}: StepRow) {
  return {
    path,
    kind,
    state,
    attempts,
    tokens,
    ...(output !== undefined && { output }),
    refusal: code ? { code, detail: refusal ?? '' } : null,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}
