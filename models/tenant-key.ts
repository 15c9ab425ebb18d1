import type { PoolClient } from 'pg';
import { Refusal } from '../policies/refusal.ts';
import { cellPlatform, config } from './databases.ts';
import { type CustomerKey, customerKey } from './kms/customer-key.ts';
import { rootKey, rootKeyNamed, type WrapContext } from './kms/root-key.ts';
import type { Place } from './scope.ts';
import { derive, fingerprint, freshKey, open, seal } from './secrets.ts';

/**
 * The versions of one tenant's key, each wrapped under the root key, kept in the tenant's cell; where the tenant brought
 * a key of its own, that one is inside the wrapping, so a rotation of the root needs no access to it and nothing opens
 * without it. No key, no data: there is no fallback. Destroying all versions is how a tenant is shredded; the rows keep
 * the fingerprints as proof of what is gone. Only models/key-cache.ts and what changes keys ask here.
 */
const firstVersion = 1;

type KeyRow = {
  tenant_id: string;
  version: number;
  wrapped: Buffer;
  root: string | null;
  lasting: Buffer | null;
  fingerprint: string;
  customer_arn: string | null;
  customer_endpoint: string | null;
  /** Every process knows of it by now, so that it may seal; the only version there is seals anyhow. */
  known: boolean;
};

export type KeyVersion = { version: number; key: Buffer; row: KeyRow };

export async function ensureTenantKey(place: Place, operationId: string): Promise<void> {
  const key = freshKey();
  const root = rootKey();
  const wrapped = await root.wrap(key, { tenantId: place.tenantId, version: firstVersion });
  const { rows } = await cellPlatform(place.cell).query<{ undone: boolean }>(
    `WITH undone AS (SELECT 1 FROM platform.effects WHERE operation_id = $5 AND step = 'destroyTenantKey'),
     made AS (INSERT INTO platform.tenant_keys (tenant_id, version, wrapped, fingerprint, root)
       SELECT $1, $2, $3, $4, $6 WHERE NOT EXISTS (SELECT FROM undone) ON CONFLICT DO NOTHING)
     SELECT EXISTS (SELECT FROM undone) AS undone`,
    [place.tenantId, firstVersion, wrapped, fingerprint(key), operationId, root.name],
  );
  if (rows[0]?.undone) throw new Refusal('conflict', 'This operation has already been undone.');
}

/** What lies between the moment a version bears and the one it is there for others. */
const commitSeconds = 2;

/** A process that looked the key up just before there was a new version does without it for so long (key-cache.ts). */
export const knownAfterSeconds = (): number => config().kms.cacheSeconds + commitSeconds;

/** The versions that still open, oldest first, of each of these tenants; a destroyed key has none. */
export async function keyRows(
  cell: string,
  tenantIds: string[],
  client: Pick<PoolClient, 'query'> = cellPlatform(cell),
): Promise<Map<string, KeyRow[]>> {
  const { rows } = await client.query<KeyRow>(
    `SELECT tenant_id, version, wrapped, root, lasting, fingerprint, customer_arn, customer_endpoint,
       created_at < clock_timestamp() - make_interval(secs => $2) AS known
     FROM platform.tenant_keys WHERE tenant_id = ANY ($1) AND wrapped IS NOT NULL ORDER BY tenant_id, version`,
    [tenantIds, knownAfterSeconds()],
  );
  return Map.groupBy(rows, (row) => row.tenant_id);
}

/** Throws when the key in the row does not open, or is not the one the row tells of. */
export async function unwrapped(row: KeyRow): Promise<KeyVersion> {
  const context = contextOf(row);
  const inner = await rootKeyNamed(row.root).unwrap(row.wrapped, context);
  const customer = customerOf(row);
  const key = customer ? await customer.unwrap(inner, context) : inner;
  if (fingerprint(key) !== row.fingerprint)
    throw new Error(`version ${row.version} of the key of ${row.tenant_id} is not the one its row tells of`);
  return { version: row.version, key, row };
}

/** What stands in the row: under the customer's key, where there is one, and under the root key that wraps now. */
export async function wrappedAnew(
  key: Buffer,
  context: WrapContext,
  customer: CustomerKey | undefined,
): Promise<{ wrapped: Buffer; root: string }> {
  const root = rootKey();
  const inner = customer ? await customer.wrap(key, context) : key;
  return { wrapped: await root.wrap(inner, context), root: root.name };
}

export const contextOf = (row: { tenant_id: string; version: number }): WrapContext => ({
  tenantId: row.tenant_id,
  version: row.version,
});

export function customerOf({
  customer_arn: arn,
  customer_endpoint: endpoint,
}: KeyRow): CustomerKey | undefined {
  return arn === null ? undefined : customerKey({ arn, endpoint: endpoint ?? undefined });
}

/**
 * What has to outlive rotations: the key of blind indexes (a text has to have one hash, whichever version sealed it)
 * and of tokens in mails that may be sent twice, and the key of recovery codes. Derived from the first version, one
 * way; every later version carries it sealed.
 */
export type Lasting = { seed: Buffer; recovery: Buffer };
const lastingBelongs = ({ tenantId, version }: WrapContext) => `lasting/${tenantId}/${version}`;

export function lastingOf({ key, row }: KeyVersion): Lasting {
  if (row.lasting === null) return { seed: derive(key, 'lasting'), recovery: derive(key, 'recovery-codes') };
  const both = open(derive(key, 'lasting-wrap'), row.lasting, lastingBelongs(contextOf(row)));
  return { seed: both.subarray(0, 32), recovery: both.subarray(32) };
}

export function sealedLasting(key: Buffer, context: WrapContext, { seed, recovery }: Lasting): Buffer {
  const both = Buffer.concat([seed, recovery]);
  return seal(derive(key, 'lasting-wrap'), context.version, both, lastingBelongs(context));
}

export async function destroyTenantKey(place: Place, operationId: string): Promise<void> {
  await cellPlatform(place.cell).query(
    `WITH mark AS (INSERT INTO platform.effects (operation_id, step) VALUES ($2, 'destroyTenantKey') ON CONFLICT DO NOTHING)
     UPDATE platform.tenant_keys SET wrapped = NULL, lasting = NULL, destroyed_at = now()
     WHERE tenant_id = $1 AND wrapped IS NOT NULL`,
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
