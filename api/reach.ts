import type { TenantScope } from '../models/scope.ts';
import { holderById } from '../models/tenant/holders.ts';
import { rightsOfRoles } from '../models/tenant/rights.ts';
import { insistHeld } from '../models/tenant/role.ts';
import type { Principal } from '../policies/principal.ts';
import type { Rights } from '../policies/rights.ts';
import { insistOnSession } from './own.ts';

type Acting = { tenantId: string; principal: Principal; me: string; rights: Rights };

/**
 * Who may lay hands on somebody's ways in (sessions, password, second factor): nobody on those of one who may more, by
 * the roles they hold even while they are inactive, and no key on those of its own person. The person is locked.
 */
export async function insistOnReach({ sql }: TenantScope, acting: Acting, userId: string): Promise<void> {
  const { tenantId, principal, me, rights } = acting;
  if (me === userId) return insistOnSession(principal);
  const person = await holderById(sql, userId);
  insistHeld(rights, await rightsOfRoles(sql, tenantId, person?.roles ?? []), 'This person');
}
