import type { Keyring } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import type { Visible } from '../visible.ts';
import { type Memory, memoryColumns, memoryOf, termKeys } from './memory.ts';

/** Memories that hold words of a query: those with most of them first, of those the latest first. */
export type Sought = {
  agentId: string;
  query: string;
  limit: number;
  conversationId?: string | undefined;
  /** Which memories whoever asks may read; absent in activities, where the agent itself asks. */
  visible?: Visible;
  /** How many words the last one of the page before held, and its place. */
  after?: { matched: number; seq: string } | undefined;
};
export type Found = { memory: Memory; matched: number; seq: string };

// A query is a few words; more would only make Postgres read more lists.
const queryTermsMax = 20;

export async function searchMemory(sql: Sql, keyring: Keyring, sought: Sought): Promise<Found[]> {
  const terms = termKeys(keyring, sought.agentId, sought.query).slice(0, queryTermsMax);
  if (terms.length === 0) return [];
  const { text, values } = searchStatement(terms, sought);
  const rows = await sql<{ matched: number; seq: string }>(text, values);
  return rows.map((row) => ({ memory: memoryOf(keyring, row), matched: row.matched, seq: String(row.seq) }));
}

/** The terms are looked up by equality of text, which is leakproof: the index is used under row-level security. */
export function searchStatement(terms: string[], sought: Sought): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const slot = (value: unknown) => `$${values.push(value)}`;
  const parts = [
    '(expires_at IS NULL OR expires_at > now())',
    sought.conversationId && `conversation_id = ${slot(sought.conversationId)}`,
    sought.after &&
      `(matched, seq) < (${slot(sought.after.matched)}::int, ${slot(sought.after.seq)}::bigint)`,
  ];
  const may = sought.visible?.(values.length + 1);
  values.push(...(may?.values ?? []));
  const text = `SELECT ${memoryColumns}, matched FROM (
      SELECT memory_id, count(*)::int AS matched FROM memory_terms
      WHERE agent_id = ${slot(sought.agentId)} AND term = ANY (${slot(terms)}::text[]) GROUP BY memory_id
    ) AS found JOIN memories ON memories.id = found.memory_id
    WHERE ${[...parts, may?.text].filter(Boolean).join(' AND ')}
    ORDER BY matched DESC, seq DESC LIMIT ${slot(sought.limit)}`;
  return { text, values };
}
