import type { PoolClient } from 'pg';
import { Refusal } from '../policies/refusal.ts';
import { cellPlatform } from './databases.ts';
import { forgetKeys } from './key-cache.ts';
import type { KmsAddress } from './kms/aws-key.ts';
import { customerKey } from './kms/customer-key.ts';
import type { Place } from './scope.ts';
import { fingerprint, freshKey } from './secrets.ts';
import {
  contextOf,
  customerOf,
  type KeyVersion,
  keyRows,
  lastingOf,
  sealedLasting,
  unwrapped,
  wrappedAnew,
} from './tenant-key.ts';

/** Changes of a tenant's key: another version, another key around it. One at a time for each tenant. */
type Keyed = Pick<Place, 'cell' | 'tenantId'>;

async function alone<T>(
  { cell, tenantId }: Keyed,
  act: (client: PoolClient, versions: KeyVersion[]) => Promise<T>,
): Promise<T> {
  const client = await cellPlatform(cell).connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT version FROM platform.tenant_keys WHERE tenant_id = $1 FOR UPDATE', [
      tenantId,
    ]);
    const rows = (await keyRows(cell, [tenantId], client)).get(tenantId) ?? [];
    if (rows.length === 0) throw new Refusal('conflict', 'The key of this tenant is gone.');
    const done = await act(client, await Promise.all(rows.map(unwrapped)));
    await client.query('COMMIT');
    client.release();
    return done;
  } catch (cause) {
    // The connection goes; with it the transaction.
    client.release(true);
    throw cause;
  } finally {
    forgetKeys(tenantId);
  }
}

/**
 * Another version. It opens in every process within `kms.cacheSeconds`, and only then seals in any of them, so that
 * nobody meets what they cannot open (docs/decisions/2026-11-29-a-version-is-known-before-it-seals.md). The same one
 * when the same operation asks again.
 */
export async function addKeyVersion(place: Keyed, operationId: string): Promise<number> {
  const { tenantId } = place;
  return alone(place, async (client, versions) => {
    const { rows } = await client.query<{ version: number }>(
      'SELECT version FROM platform.tenant_keys WHERE operation_id = $1',
      [operationId],
    );
    if (rows[0]) return rows[0].version;
    const newest = versions.at(-1);
    if (!newest) throw new Error('a tenant without a key was not refused');
    const key = freshKey();
    const context = { tenantId, version: newest.version + 1 };
    const { wrapped, root } = await wrappedAnew(key, context, customerOf(newest.row));
    await client.query(
      'UPDATE platform.tenant_keys SET superseded_at = now() WHERE tenant_id = $1 AND superseded_at IS NULL',
      [tenantId],
    );
    await client.query(
      `INSERT INTO platform.tenant_keys (tenant_id, version, wrapped, fingerprint, root, lasting, operation_id,
         customer_arn, customer_endpoint, customer_since, created_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, customer_arn, customer_endpoint, customer_since, clock_timestamp()
       FROM platform.tenant_keys WHERE tenant_id = $1 AND version = $8`,
      [
        tenantId,
        context.version,
        wrapped,
        fingerprint(key),
        root,
        sealedLasting(key, context, lastingOf(newest)),
        operationId,
        newest.version,
      ],
    );
    return context.version;
  });
}

/** Puts a key of the tenant's own around every version, another one in its place, or none; all or nothing. */
export async function setCustomerKey(place: Keyed, address: KmsAddress | undefined): Promise<void> {
  const customer = address && customerKey(address);
  await alone(place, async (client, versions) => {
    for (const { key, row } of versions) {
      const { wrapped, root } = await wrappedAnew(key, contextOf(row), customer);
      await client.query(
        `UPDATE platform.tenant_keys SET wrapped = $3, root = $4, customer_arn = $5, customer_endpoint = $6,
           customer_since = CASE WHEN $5::text IS NULL THEN NULL ELSE now() END WHERE tenant_id = $1 AND version = $2`,
        [row.tenant_id, row.version, wrapped, root, address?.arn ?? null, address?.endpoint ?? null],
      );
    }
  });
}

/** Whether the key opens what it wraps, for this tenant; throws a refusal that says why not. */
export async function tryCustomerKey({ tenantId }: Keyed, address: KmsAddress): Promise<void> {
  const key = customerKey(address);
  const probe = freshKey();
  const context = { tenantId, version: 0 };
  const opened = await key.unwrap(await key.wrap(probe, context), context);
  if (!opened.equals(probe))
    throw new Refusal('unprocessable', 'This key does not open what it has wrapped.');
}
