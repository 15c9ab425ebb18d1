import type { Principal } from '../../policies/principal.ts';
import { labelToken, labelTokens, type RunLabels, wordsOf } from '../../policies/run.ts';
import type { RunBudget } from '../../policies/run-budget.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { sealedJson } from '../sealed-json.ts';
import type { Visible } from '../visible.ts';
import { appendEvents } from './run-event.ts';
import { holderSql } from './run-hold.ts';

/** Runs of the tenant one is in: how their rows are made and read. How they change: held-run.ts. */
export type RunLimits = { steps: number; minutes: number; tokens: number; depth: number };

export type NewRun = {
  id: string;
  target: { agentId: string } | { workflowId: string };
  definitionVersion: number | null;
  environment: 'draft' | 'live';
  ownerId: string;
  principal: Principal;
  origin: 'request' | 'schedule' | 'trigger';
  originId?: string | undefined;
  conversationId?: string | undefined;
  requestId?: string | undefined;
  limits: RunLimits;
  budget?: RunBudget | undefined;
  plan: unknown;
  input: unknown;
  labels: RunLabels;
};

type SealedColumn = 'sealed_plan' | 'sealed_input' | 'sealed_output' | 'sealed_labels' | 'sealed_refusal';

export const { seal: sealInRun, open: openInRun } = sealedJson<SealedColumn>('runs');

export async function insertRun(sql: Sql, keyring: Keyring, run: NewRun): Promise<void> {
  const { id, target, labels } = run;
  const sealed = (column: SealedColumn, value: unknown) => sealInRun(keyring, column, id, value);
  await sql(
    `INSERT INTO runs (id, agent_id, workflow_id, definition_version, environment, state, owner_id, principal, origin,
       origin_id, conversation_id, request_id, limits, sealed_plan, sealed_input, sealed_labels, budget, last_event)
     VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7::jsonb, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $16::jsonb, 1)`,
    [
      id,
      'agentId' in target ? target.agentId : null,
      'workflowId' in target ? target.workflowId : null,
      run.definitionVersion,
      run.environment,
      run.ownerId,
      JSON.stringify(run.principal),
      run.origin,
      run.originId ?? null,
      run.conversationId ?? null,
      run.requestId ?? null,
      JSON.stringify(run.limits),
      sealed('sealed_plan', run.plan),
      sealed('sealed_input', run.input),
      sealed('sealed_labels', labels),
      run.budget ? JSON.stringify(run.budget) : null,
    ],
  );
  const tokens = labelTokens(labels).map(labelIndex(keyring));
  await sql('INSERT INTO run_labels (token, run_id) SELECT unnest($1::text[]), $2', [tokens, id]);
  await appendEvents(sql, keyring, { runId: id, last: 0 }, [
    { kind: 'run.state', data: { state: 'queued' } },
  ]);
}

const labelIndex =
  (keyring: Keyring) =>
  (token: string): string =>
    keyring.blindIndex('run_labels.token', token);

export type SoughtLabels = { label?: string | undefined; text?: string | undefined };

/** What a run has to have all of, to be found by a label (`name` or `name=value`) and by words. */
export function soughtTokens(keyring: Keyring, { label, text = '' }: SoughtLabels): string[] {
  const whole = label === undefined ? [] : [labelToken(label)];
  return [...whole, ...wordsOf(text)].map(labelIndex(keyring));
}

const columns = `id, agent_id, workflow_id, definition_version, environment, state, wanted, owner_id, principal, origin,
  origin_id, conversation_id, request_id, limits, budget, sealed_labels, refusal_code, sealed_refusal, steps_used, tokens_input,
  tokens_output, round, last_event, version, created_at, started_at, ended_at, updated_at`;

export function runById(tenantId: string, id: string): Statement {
  const schema = schemaOf(tenantId);
  const whole = `${columns}, sealed_input, sealed_output, ${holderSql(`${schema}.`)} AS holder`;
  return { text: `SELECT ${whole} FROM ${schema}.runs r WHERE id = $1`, values: [id] };
}

export type RunFilter = {
  state?: string | undefined;
  workflowId?: string | undefined;
  agentId?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  startedFrom?: string | undefined;
  startedUntil?: string | undefined;
  endedFrom?: string | undefined;
  endedUntil?: string | undefined;
  /** Of labels, as `soughtTokens` gives them; a run has to have all. */
  tokens?: string[];
};

/** Newest first; only what was asked for stands in the statement, so that its plan can use what narrows it most. */
export function runList(
  tenantId: string,
  filter: RunFilter,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const values: Statement['values'] = [];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const schema = schemaOf(tenantId);
  const parts = [
    filter.state && `state = ${slot(filter.state)}`,
    filter.workflowId && `workflow_id = ${slot(filter.workflowId)}`,
    filter.agentId && `agent_id = ${slot(filter.agentId)}`,
    filter.from && `created_at >= ${slot(filter.from)}::timestamptz`,
    filter.to && `created_at < ${slot(filter.to)}::timestamptz`,
    filter.startedFrom && `started_at >= ${slot(filter.startedFrom)}::timestamptz`,
    filter.startedUntil && `started_at < ${slot(filter.startedUntil)}::timestamptz`,
    filter.endedFrom && `ended_at >= ${slot(filter.endedFrom)}::timestamptz`,
    filter.endedUntil && `ended_at < ${slot(filter.endedUntil)}::timestamptz`,
    cursor && `id < ${slot(cursor)}`,
    ...(filter.tokens ?? []).map(
      (token) => `id IN (SELECT run_id FROM ${schema}.run_labels WHERE token = ${slot(token)})`,
    ),
  ].filter(Boolean);
  const may = visible(values.length + 1);
  values.push(...may.values);
  const text = `SELECT ${columns} FROM ${schema}.runs WHERE ${[...parts, may.text].join(' AND ')}
    ORDER BY id DESC LIMIT ${slot(limit)}`;
  return { text, values };
}
