import { agentDefinition } from '../../policies/agent-definition.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { agentKind } from './definition.ts';
import { liveThat, type Named } from './live-definitions.ts';

/** Who names a model provider: settings of the organisation and of its agents, and the live versions of agents. */
export type Namers = {
  settings: { key: string; agentId: string | null }[];
  agents: Named[];
};

const keys = ['llm.defaultProvider', 'llm.fallbackProviders'];

export async function namersOf(sql: Sql, keyring: Keyring, providerId: string): Promise<Namers> {
  const settings = await sql<{ key: string; agentId: string | null }>(
    `SELECT named.key, level.agent_id AS "agentId" FROM (
       SELECT DISTINCT ON (coalesce(agent_id, '')) agent_id, document FROM setting_versions
       ORDER BY coalesce(agent_id, ''), number DESC) level
     CROSS JOIN unnest($2::text[]) AS named (key)
     WHERE level.document->named.key @> to_jsonb($1::text)`,
    [providerId, keys],
  );
  const agents = await liveThat(
    sql,
    keyring,
    agentKind,
    (definition) => agentDefinition.safeParse(definition).data?.providerId === providerId,
  );
  return { settings, agents };
}
