import { config } from '../databases.ts';
import { readInSystem, type SystemScope } from '../scope.ts';
import { derive, keyedHash } from '../secrets.ts';
import { emailKey } from '../tenant/email-key.ts';
import { systemTenantId } from './tenant.ts';

/**
 * The index behind POST /v1/discovery: which tenants know an address, under a keyed hash of it. It may be wrong in
 * both directions and nothing depends on it but a mail: an entry counts only if the tenant, asked in its own schema,
 * still has that person under that address, and a missing one comes back with the next sign-in.
 */
export function emailHash(email: string): string {
  return keyedHash(derive(config().rootKey, 'workspaces'), emailKey(email));
}

/** Notes that this address opens this tenant; safe to repeat. Operators belong to no tenant that could be listed. */
export async function listWorkspace(email: string, tenantId: string, userId: string): Promise<void> {
  if (tenantId === systemTenantId) return;
  await readInSystem(tenantId, [
    {
      text: `INSERT INTO workspaces (email_hash, tenant_id, user_id) VALUES ($1, $2, $3)
             ON CONFLICT (email_hash, tenant_id) DO UPDATE SET user_id = EXCLUDED.user_id
             WHERE workspaces.user_id <> EXCLUDED.user_id`,
      values: [emailHash(email), tenantId, userId],
    },
  ]);
}

/** Takes the tenant off this address's list: for people who were removed or deactivated. Safe to repeat. */
export async function unlistWorkspace(email: string, tenantId: string): Promise<void> {
  await readInSystem(tenantId, [
    {
      text: 'DELETE FROM workspaces WHERE email_hash = $1 AND tenant_id = $2',
      values: [emailHash(email), tenantId],
    },
  ]);
}

/** Takes a tenant that is no more off everybody's list. */
export async function unlistTenant({ sql }: SystemScope, tenantId: string): Promise<void> {
  await sql('DELETE FROM workspaces WHERE tenant_id = $1', [tenantId]);
}

export type Workspace = { tenantId: string; userId: string; slug: string; name: string };

/** More than anybody works in; a mail has to end somewhere. */
const listedMax = 100;

/** The tenants that can be entered under this hash; only active ones. */
export async function workspacesOf(hash: string): Promise<Workspace[]> {
  const [rows = []] = await readInSystem('platform', [
    {
      text: `SELECT w.tenant_id, w.user_id, t.slug, t.name FROM workspaces w JOIN tenants t ON t.id = w.tenant_id
             WHERE w.email_hash = $1 AND t.state = 'active' ORDER BY t.name, t.id LIMIT ${listedMax}`,
      values: [hash],
    },
  ]);
  return rows.map((row) => ({
    tenantId: String(row.tenant_id),
    userId: String(row.user_id),
    slug: String(row.slug),
    name: String(row.name),
  }));
}
