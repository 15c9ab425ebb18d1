import { type HeldBy, heldByOf } from '../../policies/restriction-words.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import { asRestriction } from './usage-restriction.ts';

/** Which restrictions hold the run that a statement names `r`: it is stopped, or told to wait before it has begun. `of`: the schema, with a dot. */
const holdersOf = (
  of: string,
) => `FROM ${of}usage_restrictions u WHERE u.ended_at IS NULL AND u.lifted_at IS NULL
    AND (u.until IS NULL OR u.until > now())
    AND (u.measure = 'stop' OR (u.measure = 'queue' AND (r.started_at IS NULL OR r.state = 'queued')))
    AND (u.scope = 'tenant' OR (u.scope = 'agent' AND u.scope_id = r.agent_id)
      OR (u.scope IN ('key', 'user') AND u.scope_id IN (r.owner_id, r.principal ->> 'id'))
      OR (u.scope = 'tag' AND u.scope_id = ANY (SELECT unnest(a.tags) FROM ${of}agents a WHERE a.id = r.agent_id)))`;

export const heldSql = `EXISTS (SELECT ${holdersOf('')})`;

/** The hardest of them as a document; null of a run that nothing holds, or that has ended. */
export const holderSql = (of = ''): string =>
  `(SELECT to_jsonb(u) ${holdersOf(of)} AND r.ended_at IS NULL ORDER BY u.measure DESC, u.id LIMIT 1)`;

/** By what a run that stands still is held, as of this transaction. */
export async function holderOf(sql: Sql, runId: string): Promise<HeldBy | null> {
  const [row] = await sql<Row>(`SELECT ${holderSql()} AS holder FROM runs r WHERE r.id = $1`, [runId]);
  return holderIn(row?.holder);
}

/** As `holderSql` answers it. */
export const holderIn = (holder: unknown): HeldBy | null =>
  holder ? heldByOf(asRestriction(holder as Row)) : null;
