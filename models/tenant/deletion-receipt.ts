import type { DataClass } from '../../policies/data-class.ts';
import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';
import { digest } from '../secrets.ts';

/** What is left of what was deleted by a rule: how much, from when to when, and a digest by which ids can be proven. */
export type Deleted = { id: string; at: Date };
type Of = { class: DataClass; source: string; rule: string };
/** Of more than can be held in memory, summed where it was. */
export type Removed = { count: number; first: Date; last: Date; digest: string };

export function writeReceipt(sql: Sql, { deleted, ...of }: Of & { deleted: Deleted[] }): Promise<string> {
  const ids = deleted.map((row) => row.id).toSorted();
  const times = deleted.map((row) => row.at.getTime());
  const removed = {
    count: deleted.length,
    first: new Date(Math.min(...times)),
    last: new Date(Math.max(...times)),
    digest: digest(ids.join('\n')),
  };
  return writeSummary(sql, { ...of, removed });
}

export async function writeSummary(
  sql: Sql,
  { class: kind, source, rule, removed }: Of & { removed: Removed },
): Promise<string> {
  const id = newId('rcp');
  await sql(
    `INSERT INTO deletion_receipts (id, class, source, rule, count, first_at, last_at, digest)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [id, kind, source, rule, removed.count, removed.first, removed.last, removed.digest],
  );
  return id;
}

const columns = 'id, class, source, rule, count, first_at, last_at, digest, deleted_at';

export const receiptById = (tenantId: string, id: string): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.deletion_receipts WHERE id = $1`,
  values: [id],
});

type Listed = { class: DataClass | undefined; after: string | undefined; limit: number };

export const receiptList = (tenantId: string, { class: kind, after, limit }: Listed): Statement => ({
  text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.deletion_receipts
         WHERE ($1::text IS NULL OR class = $1) AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
  values: [kind ?? null, after ?? null, limit],
});
