import type { TenantScope } from '../models/scope.ts';
import type { Credential } from '../models/tenant/credential.ts';
import { type Holder, passwordHolder } from '../models/tenant/password.ts';
import { lockPersonRow } from '../models/tenant/person.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';

/**
 * What people do with their own account they do in a session: a key that leaked must not take the account over. The
 * person is locked; a session that was ended while this one waited for that does nothing more.
 */
export async function ownAccount(
  { sql }: TenantScope,
  principal: Principal,
  { credentialId }: Credential,
): Promise<Holder> {
  insistOnSession(principal);
  await lockPersonRow(sql, principal.id);
  const [session] = await sql('SELECT id FROM sessions WHERE id = $1', [credentialId]);
  if (!session) throw new Refusal('unauthenticated', 'Your session has just ended; sign in again.');
  const holder = await passwordHolder(sql, principal.id);
  if (!holder) throw new Error('bug: a session without its person');
  return holder;
}

export function insistOnSession(principal: Principal): void {
  if (principal.kind !== 'user')
    throw new Refusal('conflict', 'This is for people who are signed in; this request was made with a key.');
}
