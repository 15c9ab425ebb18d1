import { agentDefinition } from '../../policies/agent-definition.ts';
import { type WorkflowStep, workflowDefinition } from '../../policies/workflow-definition.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { agentKind, workflowKind } from './definition.ts';
import { liveThat, type Named } from './live-definitions.ts';

/** Who would find an integration gone: whose live version calls it, and the agents that have called it lately. */
export type IntegrationUsers = { agents: Named[]; workflows: Named[]; lately: string[] };

export async function usersOf(sql: Sql, keyring: Keyring, integrationId: string): Promise<IntegrationUsers> {
  const agents = await liveThat(sql, keyring, agentKind, (definition) =>
    Boolean(
      agentDefinition
        .safeParse(definition)
        .data?.tools.some((tool) => tool.kind === 'integration' && tool.integrationId === integrationId),
    ),
  );
  const workflows = await liveThat(sql, keyring, workflowKind, (definition) =>
    calls(workflowDefinition.safeParse(definition).data?.steps ?? [], integrationId),
  );
  const live = new Set(agents.map(({ id }) => id));
  const lately = (await usedLately(sql, integrationId)).filter((id) => !live.has(id));
  return { agents, workflows, lately };
}

const calls = (steps: WorkflowStep[], integrationId: string): boolean =>
  steps.some((step) =>
    'steps' in step
      ? calls(step.steps, integrationId)
      : step.kind === 'tool' && step.integrationId === integrationId,
  );

const withinDays = 30;

async function usedLately(sql: Sql, id: string): Promise<string[]> {
  const rows = await sql<{ agent_id: string }>(
    `SELECT DISTINCT agent_id FROM integration_uses
     WHERE integration_id = $1 AND agent_id IS NOT NULL AND at > now() - make_interval(days => ${withinDays})
     ORDER BY agent_id LIMIT 20`,
    [id],
  );
  return rows.map(({ agent_id }) => agent_id);
}
