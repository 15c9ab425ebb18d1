import { redact } from '../../policies/redaction.ts';
import { Refusal } from '../../policies/refusal.ts';
import { termsOf } from '../../policies/search-terms.ts';
import { settingsFrom } from '../../policies/setting-inheritance.ts';
import type { Row } from '../batch.ts';
import { newId } from '../ids.ts';
import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { ensureConversation } from './conversation.ts';
import { sourcesIn } from './settings.ts';

/**
 * What agents remember. Texts and whom they are about are sealed; a memory is found by keyed hashes of the stems of its
 * words, each agent's made differently, so that not even equal words of two agents look alike in the database.
 */
export const memoryRoles = ['system', 'user', 'assistant', 'tool', 'note'] as const;
type MemoryRole = (typeof memoryRoles)[number];

export type Memory = {
  id: string;
  agentId: string;
  conversationId: string;
  role: MemoryRole;
  text: string;
  subjectId: string | null;
  ownerId: string | null;
  runId: string | null;
  createdAt: Date;
  expiresAt: Date | null;
};

export type NewMemory = {
  agentId: string;
  /** Absent: a conversation of its own. */
  conversationId?: string | undefined;
  role: MemoryRole;
  text: string;
  /** Whom it is about: by this it can be forgotten, whichever agent remembers it. */
  subjectId?: string | undefined;
  /** Whose it is, for those who may only see their own. */
  ownerId?: string | undefined;
  runId?: string | undefined;
  /** Of one agent: the same key is remembered once, whatever comes with it. */
  idempotencyKey?: string | undefined;
  expiresAt?: Date | undefined;
};

export const memoryColumns = `id, seq, agent_id, conversation_id, role, sealed_text, sealed_subject, owner_id, run_id,
  created_at, expires_at`;

/** What the settings of the agent take for personal data is blackened before it is kept, whoever has it remembered. */
async function redacted(sql: Sql, keyring: Keyring, { agentId, text }: NewMemory): Promise<string> {
  const settings = settingsFrom(await sourcesIn(sql, agentId, async () => keyring));
  return settings.get('privacy.redact').includes('memory') ? redact(text, settings) : text;
}

/** Two attempts with one idempotency key leave one memory, and both get it. */
export async function remember(sql: Sql, keyring: Keyring, given: NewMemory): Promise<Memory> {
  const conversationId = await ensureConversation(sql, given);
  const text = await redacted(sql, keyring, given);
  const id = newId('mem');
  const { agentId, subjectId } = given;
  const made = await sql(
    `INSERT INTO memories (id, agent_id, conversation_id, role, sealed_text, subject_key, sealed_subject, owner_id, run_id,
       idempotency_key, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (agent_id, idempotency_key) DO NOTHING RETURNING ${memoryColumns}`,
    [
      id,
      agentId,
      conversationId,
      given.role,
      keyring.seal('memories.sealed_text', id, text),
      subjectId === undefined ? null : subjectKey(keyring, subjectId),
      subjectId === undefined ? null : keyring.seal('memories.sealed_subject', id, subjectId),
      given.ownerId ?? null,
      given.runId ?? null,
      given.idempotencyKey ?? null,
      given.expiresAt ?? null,
    ],
  );
  if (!made[0]) return alreadyThere(sql, keyring, given);
  await sql('INSERT INTO memory_terms (agent_id, term, memory_id) SELECT $1, unnest($2::text[]), $3', [
    agentId,
    termKeys(keyring, agentId, text),
    id,
  ]);
  return memoryOf(keyring, made[0]);
}

async function alreadyThere(
  sql: Sql,
  keyring: Keyring,
  { agentId, idempotencyKey }: NewMemory,
): Promise<Memory> {
  const [row] = await sql(
    `SELECT ${memoryColumns} FROM memories WHERE agent_id = $1 AND idempotency_key = $2`,
    [agentId, idempotencyKey ?? null],
  );
  if (!row) throw new Refusal('conflict', 'This was being remembered and forgotten at once; try again.');
  return memoryOf(keyring, row);
}

/** What is put before the model: the last of it, oldest first. */
export async function recall(
  sql: Sql,
  keyring: Keyring,
  { agentId, conversationId, limit }: { agentId: string; conversationId?: string; limit: number },
): Promise<Memory[]> {
  const rows = await sql(
    `SELECT ${memoryColumns} FROM memories WHERE agent_id = $1 AND (expires_at IS NULL OR expires_at > now())
     ${conversationId === undefined ? '' : 'AND conversation_id = $3'} ORDER BY seq DESC LIMIT $2`,
    [agentId, limit, ...(conversationId === undefined ? [] : [conversationId])],
  );
  return rows.reverse().map((row) => memoryOf(keyring, row));
}

export function memoryOf(keyring: Keyring, row: Row): Memory {
  const id = String(row.id);
  const subject = row.sealed_subject as Buffer | null; // bytea comes as a Buffer, from either way of reading
  return {
    id,
    agentId: String(row.agent_id),
    conversationId: String(row.conversation_id),
    role: row.role as MemoryRole, // the table's own CHECK
    text: keyring.open('memories.sealed_text', id, row.sealed_text as Buffer),
    subjectId: subject && keyring.open('memories.sealed_subject', id, subject),
    ownerId: (row.owner_id as string | null) ?? null,
    runId: (row.run_id as string | null) ?? null,
    createdAt: row.created_at as Date,
    expiresAt: row.expires_at as Date | null,
  };
}

/** However it was written. */
export const sameSubject = (subjectId: string): string => subjectId.normalize('NFKC').trim().toLowerCase();

export const subjectKey = (keyring: Keyring, subjectId: string): string =>
  keyring.blindIndex('memories.subject_key', sameSubject(subjectId));

// Half of the hash: 128 bits, for no two words of an organisation to meet.
const termDigits = 32;
export const termKeys = (keyring: Keyring, agentId: string, text: string): string[] =>
  termsOf(text).map((term) =>
    keyring.blindIndex('memory_terms.term', `${agentId}/${term}`).slice(0, termDigits),
  );
