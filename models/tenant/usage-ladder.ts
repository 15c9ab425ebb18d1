import type { Principal } from '../../policies/principal.ts';
import { defaultLadder, type Rung } from '../../policies/usage-ladder.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';

/** The ladder of the tenant one is in, as versions: the newest holds, and before the first one the default. */
export type Ladder = { version: number; rungs: readonly Rung[] };

const columns = 'version, version AS id, rungs, author, reason, at';

/** One row at most; none where nobody has said anything yet. */
export function ladderStatement(tenantId: string): Statement {
  return { text: `SELECT ${columns} ${newest(`${schemaOf(tenantId)}.`)}`, values: [] };
}

const newest = (schema: string) => `FROM ${schema}usage_ladders ORDER BY version DESC LIMIT 1`;

export function asLadder(row: Row | undefined): Ladder {
  // Written by storeLadder from parsed rungs.
  return row
    ? { version: Number(row.version), rungs: row.rungs as Rung[] }
    : { version: 0, rungs: defaultLadder };
}

/** As of this transaction. */
export async function ladderIn(sql: Sql): Promise<Ladder> {
  const [row] = await sql<Row>(`SELECT ${columns} ${newest('')}`);
  return asLadder(row);
}

export function ladderVersions(
  tenantId: string,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.usage_ladders
           WHERE $1::bigint IS NULL OR version < $1 ORDER BY version DESC LIMIT $2`,
    values: [cursor ?? null, limit],
  };
}

export type NewLadder = { rungs: readonly Rung[]; author: Principal; reason: string };

/** Changes take turns (models/tenant/turn.ts), so that no version is skipped or given twice. */
export async function storeLadder(sql: Sql, { rungs, author, reason }: NewLadder): Promise<Row> {
  const [row = {}] = await sql<Row>(
    `INSERT INTO usage_ladders (version, rungs, author, reason)
     SELECT coalesce(max(version), 0) + 1, $1::jsonb, $2::jsonb, $3 FROM usage_ladders RETURNING ${columns}`,
    [JSON.stringify(rungs), JSON.stringify(author), reason],
  );
  return row;
}
