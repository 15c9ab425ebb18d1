import { Refusal } from '../../policies/refusal.ts';
import { idPattern, newId } from '../ids.ts';
import type { Sql } from '../scope.ts';

/** Conversations an agent has: what is remembered belongs to one. They are made by being named. */
const pattern = idPattern('con');

export async function ensureConversation(
  sql: Sql,
  {
    agentId,
    conversationId = newId('con'),
    ownerId,
  }: { agentId: string; conversationId?: string | undefined; ownerId?: string | undefined },
): Promise<string> {
  if (!pattern.test(conversationId))
    throw new Refusal('invalid-request', 'A conversation is named by an id like con_….');
  const made = await sql<{ agent_id: string }>(
    `INSERT INTO conversations (id, agent_id, owner_id) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING agent_id`,
    [conversationId, agentId, ownerId ?? null],
  );
  const [kept] = made[0]
    ? made
    : await sql<{ agent_id: string }>('SELECT agent_id FROM conversations WHERE id = $1', [conversationId]);
  if (kept?.agent_id === agentId) return conversationId;
  throw new Refusal(
    'conflict',
    `The conversation ${conversationId} is one with another agent; leave it out to begin one.`,
  );
}
