import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';
import { refuseHeldMemory } from './legal-hold.ts';
import { memoryColumns, memoryOf, sameSubject, subjectKey } from './memory.ts';
import { takeTurn } from './turn.ts';

/** Memories as people list, read and erase them. */
export function memoryById(tenantId: string, agentId: string, id: string): Statement {
  const text = `SELECT ${memoryColumns} FROM ${schemaOf(tenantId)}.memories WHERE agent_id = $1 AND id = $2`;
  return { text, values: [agentId, id] };
}

/** The agent as something to remember by: what is asked about is what one remembers oneself, so it is one's own. */
export function agentToRemember(tenantId: string, agentId: string, me: string): Statement {
  const text = `SELECT id, $2 AS owner_id, owner_id AS agent_owner, tags, environment FROM ${schemaOf(tenantId)}.agents WHERE id = $1`;
  return { text, values: [agentId, me] };
}

export type Listing = {
  agentId: string;
  conversationId?: string | undefined;
  before?: string | undefined;
  limit: number;
  visible: Visible;
};

export async function listMemories(sql: Sql, asked: Listing): Promise<Row[]> {
  const values: unknown[] = [];
  const slot = (value: unknown) => `$${values.push(value)}`;
  const parts = [
    `agent_id = ${slot(asked.agentId)}`,
    '(expires_at IS NULL OR expires_at > now())',
    asked.conversationId && `conversation_id = ${slot(asked.conversationId)}`,
    asked.before && `seq < ${slot(asked.before)}::bigint`,
  ];
  const may = asked.visible(values.length + 1);
  values.push(...may.values);
  const where = [...parts, may.text].filter(Boolean).join(' AND ');
  return sql(
    `SELECT ${memoryColumns} FROM memories WHERE ${where} ORDER BY seq DESC LIMIT ${slot(asked.limit)}`,
    values,
  );
}

/** One memory; a legal hold keeps it. Takes its turn with whoever makes a hold. */
export async function forget(sql: Sql, keyring: Keyring, row: Row): Promise<void> {
  await takeTurn(sql);
  const { id, subjectId } = memoryOf(keyring, row);
  await refuseHeldMemory(sql, subjectId === null ? [] : [sameSubject(subjectId)]);
  await sql('DELETE FROM memories WHERE id = $1', [id]);
}

/** Everything any agent remembers of one person (the right to erasure); answers how much it was. */
export async function forgetSubject(sql: Sql, keyring: Keyring, subjectId: string): Promise<number> {
  await takeTurn(sql);
  await refuseHeldMemory(sql, [sameSubject(subjectId)]);
  const gone = await sql('DELETE FROM memories WHERE subject_key = $1 RETURNING id', [
    subjectKey(keyring, subjectId),
  ]);
  return gone.length;
}
