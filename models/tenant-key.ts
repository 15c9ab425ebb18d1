import { Refusal } from '../policies/refusal.ts';
import { cellPlatform, config } from './databases.ts';
import type { Place } from './scope.ts';
import { derive, fingerprint, freshKey, open, seal } from './secrets.ts';

/**
 * One key per tenant, wrapped under the root key, kept in the tenant's cell. No key, no data: there is no fallback.
 * Destroying it is how a tenant is shredded; the row keeps the fingerprint as proof of what is gone.
 */
const firstVersion = 1;
const wrapping = () => derive(config().rootKey, 'tenant-keys');
const belongs = (tenantId: string, version: number) => `tenant-key/${tenantId}/${version}`;

export async function ensureTenantKey(place: Place, operationId: string): Promise<void> {
  const key = freshKey();
  const wrapped = seal(wrapping(), firstVersion, key, belongs(place.tenantId, firstVersion));
  const { rows } = await cellPlatform(place.cell).query<{ undone: boolean }>(
    `WITH undone AS (SELECT 1 FROM platform.effects WHERE operation_id = $5 AND step = 'destroyTenantKey'),
     made AS (INSERT INTO platform.tenant_keys (tenant_id, version, wrapped, fingerprint)
       SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM undone) ON CONFLICT DO NOTHING)
     SELECT EXISTS (SELECT FROM undone) AS undone`,
    [place.tenantId, firstVersion, wrapped, fingerprint(key), operationId],
  );
  if (rows[0]?.undone) throw new Refusal('conflict', 'This operation has already been undone.');
}

/** The tenant's current key. Throws when it is destroyed or was never made. */
export async function tenantKey(place: Place): Promise<Buffer> {
  const { rows } = await cellPlatform(place.cell).query<{ version: number; wrapped: Buffer | null }>(
    'SELECT version, wrapped FROM platform.tenant_keys WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1',
    [place.tenantId],
  );
  const [row] = rows;
  if (!row?.wrapped)
    throw new Refusal('conflict', 'The key of this tenant is gone; what it sealed cannot be opened.');
  return open(wrapping(), row.wrapped, belongs(place.tenantId, row.version));
}

export async function destroyTenantKey(place: Place, operationId: string): Promise<void> {
  await cellPlatform(place.cell).query(
    `WITH mark AS (INSERT INTO platform.effects (operation_id, step) VALUES ($2, 'destroyTenantKey') ON CONFLICT DO NOTHING)
     UPDATE platform.tenant_keys SET wrapped = NULL, destroyed_at = now() WHERE tenant_id = $1 AND wrapped IS NOT NULL`,
    [place.tenantId, operationId],
  );
}

export async function keyFingerprints(place: Place): Promise<string[]> {
  const { rows } = await cellPlatform(place.cell).query<{ fingerprint: string }>(
    'SELECT fingerprint FROM platform.tenant_keys WHERE tenant_id = $1 ORDER BY version',
    [place.tenantId],
  );
  return rows.map((row) => row.fingerprint);
}

/** Removes every trace of keys that never sealed anything: the undo of a provisioning that failed. */
export async function forgetTenantKeys(place: Place): Promise<void> {
  await cellPlatform(place.cell).query('DELETE FROM platform.tenant_keys WHERE tenant_id = $1', [
    place.tenantId,
  ]);
}
