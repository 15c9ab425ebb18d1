import { authorize } from '../../policies/authorize.ts';
import type { Rights } from '../../policies/rights.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';

/** Who looks at what a definition names: what they may not read is, to them, not there. */
export type Reader = { rights: Rights; ids: readonly string[] };

const tables = { Agent: 'agents', Workflow: 'workflows', Integration: 'integrations' } as const;

/** The rows of these that may be read. Decided by CASL row by row, for a definition names few. */
export async function readable(
  sql: Sql,
  { rights, ids: own }: Reader,
  type: keyof typeof tables,
  ids: readonly string[],
): Promise<Row[]> {
  if (ids.length === 0) return [];
  const rows = await sql<Row>(`SELECT * FROM ${tables[type]} WHERE id = ANY ($1::text[])`, [
    [...new Set(ids)],
  ]);
  return rows.filter((object) => authorize(rights, 'read', { type, object, ids: own }).allowed);
}
