import { newId } from '../../models/ids.ts';
import { inTenant, type Place, type TenantScope } from '../../models/scope.ts';
import { digest } from '../../models/secrets.ts';
import { openErrands } from '../../models/system/errand.ts';
import type { Startable } from '../../models/system/operation.ts';
import { placeOf } from '../../models/system/tenant.ts';
import type { ErrandKind } from '../../policies/operation.ts';
import type { Principal } from '../../policies/principal.ts';
import { madeTenant } from './lifecycle.ts';

/** Errands as the API leaves them: committed, and not yet started. */
export async function placeFor({ tenantId }: Pick<Startable, 'tenantId'>): Promise<Place> {
  const place = await placeOf(tenantId);
  if (!place) throw new Error(`there is no tenant ${tenantId}`);
  return place;
}

type About = (tenant: TenantScope, errand: { operationId: string; by: Principal }) => Promise<string>;

/**
 * An errand in a tenant of its own, asked for by a key of its owner; `about` writes what it is about, and says its id.
 */
export async function askForErrand(kind: ErrandKind, operator: Principal, about: About): Promise<Startable> {
  const { tenantId, region, weight } = await madeTenant(operator);
  const principal: Principal = { kind: 'api-key', id: newId('key'), tenantId };
  const operationId = newId('op');
  const subjectId = await inTenant(await placeFor({ tenantId }), async (tenant) => {
    await tenant.ApiKey.create({ id: principal.id, name: 'test', tokenHash: digest(principal.id) });
    await tenant.RoleAssignment.create({ principalId: principal.id, role: 'owner' });
    return about(tenant, { operationId, by: principal });
  });
  await openErrands(tenantId, [
    { operationId, tenantId, kind, principal, subjectId, requestId: newId('req') },
  ]);
  return { tenantId, operationId, region, kind, principal, input: { subjectId }, weight };
}
