import type { Tokens } from '../../policies/model-verdict.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

/**
 * Each use of a provider's credential: who, for which agent and run, which model, what it cost, what became of it. The
 * row is there before the call and is closed once, so no call is missing and none is counted twice.
 */
export const usePurposes = ['run', 'test'] as const;

export type NewUse = {
  providerId: string;
  credential: number | null;
  purpose: (typeof usePurposes)[number];
  principalId: string;
  agentId?: string | undefined;
  runId?: string | undefined;
  model: string;
  region: string;
  /** The model that was asked for, and the restriction that put another in its place. */
  instead?: { model: string; restrictionId: string } | undefined;
};

export async function beginUse(sql: Sql, use: NewUse): Promise<string> {
  const [made] = await sql<{ seq: string }>(
    `INSERT INTO llm_uses (provider_id, credential, purpose, principal_id, agent_id, run_id, model, region, instead_of, restriction_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING seq`,
    [
      use.providerId,
      use.credential,
      use.purpose,
      use.principalId,
      use.agentId ?? null,
      use.runId ?? null,
      use.model,
      use.region,
      use.instead?.model ?? null,
      use.instead?.restrictionId ?? null,
    ],
  );
  return String(made?.seq);
}

/** `tokens` is undefined where the provider did not say. */
export async function endUse(
  sql: Sql,
  seq: string,
  { outcome, tokens, milliseconds }: { outcome: string; tokens: Tokens | undefined; milliseconds: number },
): Promise<void> {
  await sql(
    `UPDATE llm_uses SET outcome = $2, input_tokens = $3, output_tokens = $4, cached_tokens = $5,
       reasoning_tokens = $6, milliseconds = $7 WHERE seq = $1 AND outcome = 'begun'`,
    [
      seq,
      outcome,
      tokens?.input ?? null,
      tokens?.output ?? null,
      tokens?.cached ?? null,
      tokens?.reasoning ?? null,
      milliseconds,
    ],
  );
}

export type UseFilter = {
  agentId?: string | undefined;
  runId?: string | undefined;
  principalId?: string | undefined;
  outcome?: string | undefined;
};

/** The provider is joined so that whoever may not see it is told that there is nothing. */
export function useList(
  tenantId: string,
  providerId: string,
  filter: UseFilter,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const schema = schemaOf(tenantId);
  const values: Statement['values'] = [providerId];
  const slot = (value: string | number) => `$${values.push(value)}`;
  const parts = [
    'u.provider_id = p.id',
    filter.agentId && `u.agent_id = ${slot(filter.agentId)}`,
    filter.runId && `u.run_id = ${slot(filter.runId)}`,
    filter.principalId && `u.principal_id = ${slot(filter.principalId)}`,
    filter.outcome && `u.outcome = ${slot(filter.outcome)}`,
    cursor && `u.seq < ${slot(cursor)}`,
  ].filter(Boolean);
  const text = `SELECT p.id, u.* FROM ${schema}.llm_providers p LEFT JOIN LATERAL (
      SELECT u.seq, u.at, u.credential, u.purpose, u.principal_id, u.agent_id, u.run_id, u.model, u.region, u.instead_of, u.restriction_id, u.outcome,
        u.input_tokens, u.output_tokens, u.cached_tokens, u.reasoning_tokens, u.milliseconds
      FROM ${schema}.llm_uses u WHERE ${parts.join(' AND ')} ORDER BY u.seq DESC LIMIT ${slot(limit)}
    ) u ON true WHERE p.id = $1 ORDER BY u.seq DESC`;
  return { text, values };
}
