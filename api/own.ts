import type { TenantScope } from '../models/scope.ts';
import { type Holder, passwordHolder } from '../models/tenant/password.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';

/** What people do with their own account they do in a session: a key that leaked must not take the account over. */
export async function ownAccount(tenant: TenantScope, principal: Principal): Promise<Holder> {
  insistOnSession(principal);
  const holder = await passwordHolder(tenant.sql, principal.id);
  if (!holder) throw new Error('bug: a session without its person');
  return holder;
}

export function insistOnSession(principal: Principal): void {
  if (principal.kind !== 'user')
    throw new Refusal('conflict', 'This is for people who are signed in; this request was made with a key.');
}
