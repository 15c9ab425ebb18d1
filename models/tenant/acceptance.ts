import { Refusal } from '../../policies/refusal.ts';
import { compile, type Grant, missingFrom } from '../../policies/rights.ts';
import { emailDomainAllowed } from '../../policies/security-policy.ts';
import { newId } from '../ids.ts';
import { keyringWithin } from '../keyring.ts';
import type { TenantScope } from '../scope.ts';
import { dutyFault } from './duty-separation.ts';
import { emailKey } from './email-key.ts';
import { insistAdministrator } from './holders.ts';
import { describePerson, emailOf } from './person.ts';
import { rightsOfPrincipal, rightsOfRoles } from './rights.ts';
import { securityPolicyOf } from './security-policy.ts';
import { takeTurn } from './turn.ts';

/**
 * Turning an invitation into an account, once. Everything it was judged by when it was sent is judged again: what has
 * changed since (domains, duties, what the inviter may themselves) holds for it as well.
 */
export type Invited = {
  invitationId: string;
  userId: string;
  email: string;
  roles: string[];
  /** Who stands behind it; the platform itself for a tenant's first administrator. */
  invitedBy: string | null;
  operationId: string | null;
  /** `active` when they have become a member in another way meanwhile. */
  userState: 'invited' | 'active' | 'inactive';
  secret: string | null;
};

/** Whoever stands behind an invitation must still be somebody who may invite. */
const inviting: Grant[] = [
  { role: 'inviter', rule: { effect: 'allow', action: 'create', subject: 'Invitation' } },
];

const notValid = () =>
  new Refusal('not-found', 'This invitation is not valid: it may be used, expired or withdrawn.');

/** Whom an open invitation is for; any token that does not open one is answered alike. */
export async function invitedBy({ sql }: TenantScope, tokenHash: string): Promise<Invited> {
  const [row] = await sql<Omit<Invited, 'email'> & { sealed_email: Buffer }>(
    `SELECT i.id AS "invitationId", i.user_id AS "userId", u.sealed_email, i.roles, i.invited_by AS "invitedBy",
       i.operation_id AS "operationId", u.state AS "userState", p.secret
     FROM invitations i JOIN users u ON u.id = i.user_id
       LEFT JOIN identities p ON p.user_id = u.id AND p.kind = 'password'
     WHERE i.token_hash = $1 AND i.state = 'pending' AND i.expires_at > now() AND u.state <> 'inactive'`,
    [tokenHash],
  );
  if (!row) throw notValid();
  const { sealed_email, ...invited } = row;
  return { ...invited, email: emailOf(await keyringWithin(sql), row.userId, { sealed_email }) };
}

export type Given = { name: string; passwordHash: string | undefined };

/** `passwordHash` is absent for somebody who is a member already and has proved it with the password they have. */
export async function acceptInvitation(
  tenant: TenantScope,
  tenantId: string,
  tokenHash: string,
  { name, passwordHash }: Given,
): Promise<Invited> {
  const { sql } = tenant;
  await takeTurn(sql);
  await sql(
    'SELECT id FROM users WHERE id = (SELECT user_id FROM invitations WHERE token_hash = $1) FOR UPDATE',
    [tokenHash],
  );
  const invited = await invitedBy(tenant, tokenHash);
  if ((invited.userState === 'active') !== (passwordHash === undefined)) throw notValid();
  await insistStillGood(tenant, tenantId, invited);
  const used = await sql(
    `UPDATE invitations SET state = 'accepted', accepted_at = now(), ended_at = now(), version = version + 1
     WHERE id = $1 AND token_hash = $2 AND state = 'pending' AND expires_at > now() RETURNING id`,
    [invited.invitationId, tokenHash],
  );
  if (used.length === 0) throw notValid();
  if (passwordHash) await makeMember(tenant, invited.userId, { name, passwordHash });
  await sql(
    `INSERT INTO role_assignments (principal_id, role, assigned_by) SELECT $1, unnest($2::text[]), $3
     ON CONFLICT DO NOTHING`,
    [invited.userId, invited.roles, invited.invitedBy],
  );
  // What is given to a member may deny them something.
  if (invited.userState === 'active') await insistAdministrator(sql, tenantId);
  return invited;
}

async function makeMember(
  { sql, Identity }: TenantScope,
  userId: string,
  { name, passwordHash }: { name: string; passwordHash: string },
): Promise<void> {
  await sql("UPDATE users SET state = 'active' WHERE id = $1", [userId]);
  await describePerson(sql, userId, { name });
  await Identity.create({ id: newId('idn'), userId, kind: 'password', secret: passwordHash });
  // What an earlier invitation, or somebody who is gone, may have left is no part of this one.
  await sql('DELETE FROM role_assignments WHERE principal_id = $1', [userId]);
}

async function insistStillGood({ sql }: TenantScope, tenantId: string, invited: Invited): Promise<void> {
  const { email, roles, userId, invitedBy: inviter } = invited;
  if (!emailDomainAllowed(await securityPolicyOf(sql), emailKey(email)))
    throw new Refusal(
      'forbidden',
      'This organisation no longer admits addresses of this domain; ask whoever invited you.',
    );
  if (inviter === null) return;
  const promised = await rightsOfRoles(sql, tenantId, roles);
  const wanted = compile([...promised.grants, ...inviting]);
  const missing = missingFrom(await rightsOfPrincipal(sql, tenantId, inviter), wanted);
  if (missing.length > 0)
    throw new Refusal(
      'forbidden',
      'Whoever invited you may no longer give what was promised; ask for a new invitation.',
    );
  const held = await sql<{ role: string }>('SELECT role FROM role_assignments WHERE principal_id = $1', [
    userId,
  ]);
  const apart = await dutyFault(sql, [...new Set([...roles, ...held.map(({ role }) => role)])]);
  if (apart) throw new Refusal('conflict', `${apart} Ask whoever invited you for other roles.`);
}
