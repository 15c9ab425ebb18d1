import type { Sql } from '../scope.ts';

/** Which of these ids are of this organisation, or were and have used something; and the tags of those that are agents. */
export type UsageOwners = { ids: Set<string>; tags: Map<string, string[]> };

export async function usageOwners(sql: Sql, ids: readonly string[]): Promise<UsageOwners> {
  if (ids.length === 0) return { ids: new Set(), tags: new Map() };
  const rows = await sql<{ id: string; tags: string[] | null }>(
    `SELECT id, tags FROM agents WHERE id = ANY ($1)
     UNION ALL SELECT id, NULL FROM workflows WHERE id = ANY ($1)
     UNION ALL SELECT id, NULL FROM runs WHERE id = ANY ($1)
     UNION ALL SELECT id, NULL FROM users WHERE id = ANY ($1)
     UNION ALL SELECT id, NULL FROM api_keys WHERE id = ANY ($1)
     UNION ALL SELECT id, NULL FROM (SELECT unnest(ARRAY[agent_id, workflow_id, user_id, key_id]) AS id FROM usage_series
       WHERE ARRAY[agent_id, workflow_id, user_id, key_id] && $1) AS known`,
    [ids],
  );
  return {
    ids: new Set(rows.map(({ id }) => id)),
    tags: new Map(rows.flatMap(({ id, tags }) => (tags ? [[id, tags] as const] : []))),
  };
}
