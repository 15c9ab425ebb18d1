import type { Statement } from '../models/batch.ts';
import { readInTenant } from '../models/scope.ts';
import { placeOf } from '../models/system/tenant.ts';
import { principalById, standingOf } from '../models/tenant/credential.ts';
import { rightsOf } from '../models/tenant/rights.ts';
import { authorize, systemMay } from '../policies/authorize.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { type Rights, rightsOfBuiltIn } from '../policies/rights.ts';
import type { Permit } from './activity.ts';

/**
 * May whoever stands behind this workflow still do this? Asked before every activity, of today's roles: a right
 * taken away while an operation runs stops it at the next step.
 */
export async function authorizeActivity(asked: {
  principal: Principal;
  permit: Permit;
  tenantId?: string;
}): Promise<void> {
  const { principal, permit, tenantId } = asked;
  const [action, subject] = permit;
  const allowed =
    principal.kind === 'system'
      ? systemMay(principal.id, action, subject)
      : authorize(await currentRights(principal), action, { type: subject, object: { id: tenantId } })
          .allowed;
  if (!allowed) throw new Refusal('forbidden', `${principal.id} may not ${action} ${subject} (any more).`);
}

async function currentRights(principal: Extract<Principal, { kind: 'user' | 'api-key' }>): Promise<Rights> {
  const place = await placeOf(principal.tenantId);
  if (!place) return rightsOfBuiltIn([]);
  const ask = async (statement: Statement) => (await readInTenant(place, [statement]))[0] ?? [];
  const [row = {}] = await ask(principalById(principal.tenantId, principal.id));
  return rightsOf(principal.tenantId, standingOf(row), ask);
}
