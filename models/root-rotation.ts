import { log } from '../telemetry.ts';
import { cellPlatform } from './databases.ts';
import { rootKey, rootKeyNamed, rootKeys } from './kms/root-key.ts';
import { contextOf } from './tenant-key.ts';

/**
 * Wraps the keys of a cell's tenants under the root key that wraps now. What is inside is not looked at, so a tenant's
 * own key is not needed for it. Goes on where it was interrupted; one that does not open is left, told of and passed by.
 */
const batchKeys = 200;

type Wrapped = { tenant_id: string; version: number; wrapped: Buffer; root: string | null };

export async function rewrapUnderRoot(
  cell: string,
  milliseconds: number,
): Promise<{ rewrapped: number; done: boolean }> {
  const deadline = performance.now() + milliseconds;
  let rewrapped = 0;
  for (let after = { tenant_id: '', version: 0 }; ; ) {
    const rows = await underOthers(cell, after);
    for (const row of rows) if (await rewrap(cell, row)) rewrapped++;
    const last = rows.at(-1);
    if (!last) return { rewrapped, done: true };
    if (performance.now() > deadline) return { rewrapped, done: false };
    after = last;
  }
}

async function underOthers(cell: string, after: Pick<Wrapped, 'tenant_id' | 'version'>): Promise<Wrapped[]> {
  const { rows } = await cellPlatform(cell).query<Wrapped>(
    `SELECT tenant_id, version, wrapped, root FROM platform.tenant_keys
     WHERE wrapped IS NOT NULL AND coalesce(root, $1) <> $2 AND (tenant_id, version) > ($3, $4)
     ORDER BY tenant_id, version LIMIT ${batchKeys}`,
    [rootKeys().at(-1)?.name ?? '', rootKey().name, after.tenant_id, after.version],
  );
  return rows;
}

async function rewrap(cell: string, row: Wrapped): Promise<boolean> {
  const to = rootKey();
  try {
    const inner = await rootKeyNamed(row.root).unwrap(row.wrapped, contextOf(row));
    const wrapped = await to.wrap(inner, contextOf(row));
    // One that was changed meanwhile is under the new root key already.
    await cellPlatform(cell).query(
      'UPDATE platform.tenant_keys SET wrapped = $3, root = $4 WHERE tenant_id = $1 AND version = $2 AND wrapped = $5',
      [row.tenant_id, row.version, wrapped, to.name, row.wrapped],
    );
    return true;
  } catch (error) {
    const about = { tenantId: row.tenant_id, version: row.version, error: String(error) };
    log.error(about, 'a tenant key could not be wrapped under the new root key');
    return false;
  }
}
