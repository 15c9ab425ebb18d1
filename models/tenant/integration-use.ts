import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';

/** What is remembered of using an integration: each call, and the access token that saves asking for one each time. */
export type IntegrationUse = {
  integrationId: string;
  principalId: string;
  agentId?: string | undefined;
  runId?: string | undefined;
  method: string;
  status: number | null;
  failure: string | null;
  requestBytes: number;
  responseBytes: number;
  milliseconds: number;
};

export async function recordUse(sql: Sql, use: IntegrationUse): Promise<void> {
  // The integration may have been removed while the call was under way; then nobody can ask about its uses.
  await sql(
    `INSERT INTO integration_uses (integration_id, principal_id, agent_id, run_id, method, status, failure, request_bytes,
       response_bytes, milliseconds)
     SELECT id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM integrations WHERE id = $1`,
    [
      use.integrationId,
      use.principalId,
      use.agentId ?? null,
      use.runId ?? null,
      use.method,
      use.status,
      use.failure,
      use.requestBytes,
      use.responseBytes,
      Math.round(use.milliseconds),
    ],
  );
}

const tokenColumn = 'integrations.token_sealed';
export type Token = { value: string; until: number };

export const openToken = (keyring: Keyring, id: string, sealed: Buffer): Token =>
  JSON.parse(keyring.open(tokenColumn, id, sealed)) as Token; // sealed by keepToken

/** Only beside the credential it was got with: a token of one that was exchanged meanwhile is not kept. */
export async function keepToken(
  sql: Sql,
  keyring: Keyring,
  { id, version }: { id: string; version: number },
  token: Token | null,
): Promise<void> {
  const sealed = token && keyring.seal(tokenColumn, id, JSON.stringify(token));
  await sql('UPDATE integrations SET token_sealed = $3 WHERE id = $1 AND version = $2', [
    id,
    version,
    sealed,
  ]);
}
