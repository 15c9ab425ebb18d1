import type { Dimensions } from '../../policies/meters.ts';
import type { Principal } from '../../policies/principal.ts';
import type { Sql } from '../scope.ts';

/** Whose use something is that a run does, for limits and for who asks what was used by whom. */
export type RunUser = Dimensions & { runId: string; tags: readonly string[] };

export type Using = {
  id: string;
  agent_id: string | null;
  workflow_id: string | null;
  principal: Principal;
};

/** `agentId` where it is not the run's own agent that does it. */
export async function runUser(sql: Sql, run: Using, agentId = run.agent_id ?? undefined): Promise<RunUser> {
  const { principal } = run;
  return {
    runId: run.id,
    agentId,
    workflowId: run.workflow_id ?? undefined,
    ...(principal.kind === 'api-key' && { keyId: principal.id }),
    ...(principal.kind === 'user' && { userId: principal.id }),
    tags: agentId === undefined ? [] : await tagsOf(sql, agentId),
  };
}

async function tagsOf(sql: Sql, agentId: string): Promise<string[]> {
  const [row] = await sql<{ tags: string[] }>('SELECT tags FROM agents WHERE id = $1', [agentId]);
  return row?.tags ?? [];
}
