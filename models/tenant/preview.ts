import { schemaOf } from '../ids.ts';
import { type Place, readInTenant } from '../scope.ts';
import { tenantTableNames } from '../tenant-schema.ts';

/** How much there is of a tenant, table by table: what a suspension would end and a deletion would destroy. */
export type Preview = { rows: Record<string, number>; bytes: number };

export async function previewOf(place: Place): Promise<Preview> {
  const schema = schemaOf(place.tenantId);
  const counts = tenantTableNames.map(
    (table) => `(SELECT count(*)::int FROM ${schema}.${table}) AS ${table}`,
  );
  const tables = tenantTableNames.map((table) => `'${schema}.${table}'::regclass`);
  const [counted, sized] = await readInTenant(place, [
    { text: `SELECT ${counts.join(', ')}`, values: [] },
    { text: sizeOf(tables), values: [] },
  ]);
  const rows = Object.fromEntries(
    Object.entries(counted?.[0] ?? {}).map(([table, count]) => [table, Number(count)]),
  );
  return { rows, bytes: Number(sized?.[0]?.bytes ?? 0) };
}

/** A table that is partitioned has no bytes of its own. */
const sizeOf = (tables: string[]) => `WITH named AS (SELECT unnest(ARRAY[${tables.join(', ')}]) AS id)
  SELECT sum(pg_total_relation_size(id))::text AS bytes FROM (
    SELECT id FROM named UNION ALL SELECT inhrelid FROM pg_inherits JOIN named ON inhparent = id) AS each`;
