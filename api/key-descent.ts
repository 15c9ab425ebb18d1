import { auditInTenant } from '../models/audit.ts';
import type { TenantScope } from '../models/scope.ts';
import { changeKey, revokeKey } from '../models/tenant/api-key.ts';
import { descendantsOf } from '../models/tenant/key-descent.ts';
import type { Principal } from '../policies/principal.ts';
import { shownKey } from './api-key.ts';

/** What ends a key ends the keys made with it, each with its own line in the trail. */
type By = { tenantId: string; principal: Principal; requestId: string; source: string };

export async function revokeDescendants(tenant: TenantScope, keyId: string, by: By): Promise<void> {
  for (const id of await descendantsOf(tenant.sql, keyId))
    await changed(
      tenant,
      id,
      { ...by, action: 'revoke ApiKey', reason: `${keyId}, which made it, was revoked` },
      () => revokeKey(tenant, id),
    );
}

export async function shortenDescendants(
  tenant: TenantScope,
  keyId: string,
  { expiresAt, ...by }: By & { expiresAt: string },
): Promise<void> {
  for (const id of await descendantsOf(tenant.sql, keyId)) {
    const { expiresAt: end } = await shownKey(tenant, by.tenantId, id);
    if (end && Date.parse(end) <= Date.parse(expiresAt)) continue;
    await changed(
      tenant,
      id,
      { ...by, action: 'update ApiKey', reason: `${keyId}, which made it, ends sooner` },
      () => changeKey(tenant, id, { expiresAt }),
    );
  }
}

type Why = By & { action: string; reason: string };

async function changed(
  tenant: TenantScope,
  id: string,
  { tenantId, principal: actor, ...told }: Why,
  change: () => Promise<void>,
): Promise<void> {
  const before = await shownKey(tenant, tenantId, id);
  await change();
  const after = await shownKey(tenant, tenantId, id);
  const { action, reason, requestId, source } = told;
  const subject = { type: 'ApiKey', id };
  await auditInTenant(tenant.sql, {
    actor,
    action,
    subject,
    outcome: 'done',
    reason,
    requestId,
    source,
    before,
    after,
  });
}
