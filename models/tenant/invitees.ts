import type { Fault, RefusalCode } from '../../policies/refusal.ts';
import { missingFrom, type Rights } from '../../policies/rights.ts';
import { emailDomainAllowed } from '../../policies/security-policy.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { dutyFault } from './duty-separation.ts';
import { emailKey } from './email-key.ts';
import type { Invitee } from './inviting.ts';
import { emailIndex } from './person.ts';
import { rightsOfRoles } from './rights.ts';
import { securityPolicyOf } from './security-policy.ts';

/** What stands against inviting somebody, as faults that say what to do instead. Pointers are within the row. */
export type InviteeFault = Fault & { refusal: RefusalCode };

export type Inviter = { tenantId: string; rights: Rights };

export async function faultsOfInvitees(
  sql: Sql,
  inviter: Inviter,
  invitees: Invitee[],
): Promise<InviteeFault[][]> {
  const keyring = await keyringWithin(sql);
  const keys = invitees.map(({ email }) => emailIndex(keyring, email));
  const [members, granting] = [await membersOf(sql, keys), await grantJudge(sql, inviter, invitees)];
  const seen = new Set<string>();
  const faults: InviteeFault[][] = [];
  for (const [at, invitee] of invitees.entries()) {
    const key = keys[at] ?? '';
    const member = members.get(key);
    const twice = seen.has(key) ? [saidTwice] : [];
    seen.add(key);
    faults.push([...twice, ...(member ? membership(member) : []), ...(await granting(invitee))]);
  }
  return faults;
}

const saidTwice: InviteeFault = {
  refusal: 'invalid-request',
  pointer: '/email',
  code: 'said-twice',
  detail: 'This address stands in the list before; a person is invited once.',
};

type Member = { id: string; state: 'invited' | 'active' | 'inactive'; invitation: string | null };

async function membersOf(sql: Sql, keys: string[]): Promise<Map<string, Member>> {
  const rows = await sql<Member & { key: string }>(
    `SELECT u.email_key AS key, u.id, u.state, (SELECT i.id FROM invitations i
       WHERE i.user_id = u.id AND i.state = 'pending' AND i.expires_at > now()) AS invitation
     FROM users u WHERE u.email_key = ANY ($1)`,
    [keys],
  );
  return new Map(rows.map((row) => [row.key, row]));
}

function membership({ id, state, invitation }: Member): InviteeFault[] {
  const fault = (code: string, detail: string): InviteeFault[] => [
    { refusal: 'conflict', pointer: '/email', code, detail },
  ];
  if (state === 'active')
    return fault('already-member', `This person is a member already (${id}); give them roles instead.`);
  if (state === 'inactive')
    return fault('deactivated', `This person is deactivated (${id}); reactivate them instead.`);
  if (invitation)
    return fault(
      'already-invited',
      `This person has an open invitation (${invitation}); resend it, or revoke it first.`,
    );
  return [];
}

/** What holds when sending again as well: the roles are there and may be given, the domain is admitted. */
export async function grantJudge(sql: Sql, inviter: Inviter, invitees: Pick<Invitee, 'roles'>[]) {
  const named = [...new Set(invitees.flatMap(({ roles }) => roles))];
  const rows = await sql<{ name: string }>('SELECT name FROM roles WHERE name = ANY ($1)', [named]);
  const there = new Set(rows.map(({ name }) => name));
  const policy = await securityPolicyOf(sql);
  const judged = new Map<string, InviteeFault[]>();
  return async ({ email, roles }: Invitee): Promise<InviteeFault[]> => {
    const name = roles.toSorted().join(' ');
    const known = judged.get(name) ?? (await roleFaults(sql, inviter, there, roles));
    judged.set(name, known);
    if (emailDomainAllowed(policy, emailKey(email))) return known;
    const allowed = policy.allowedEmailDomains.join(', ');
    return [
      {
        refusal: 'unprocessable',
        pointer: '/email',
        code: 'domain-not-allowed',
        detail: `This organisation invites only people at ${allowed}.`,
      },
      ...known,
    ];
  };
}

async function roleFaults(
  sql: Sql,
  { tenantId, rights }: Inviter,
  there: Set<string>,
  roles: string[],
): Promise<InviteeFault[]> {
  const unknown = roles.flatMap((role, at): InviteeFault[] => {
    const detail = `There is no role called “${role}”.`;
    return there.has(role)
      ? []
      : [{ refusal: 'unprocessable', pointer: `/roles/${at}`, code: 'unknown-role', detail }];
  });
  if (unknown.length > 0) return unknown;
  const missing = missingFrom(rights, await rightsOfRoles(sql, tenantId, roles));
  const separated = await dutyFault(sql, roles);
  return [
    ...(missing.length > 0 ? [tooMuch(missing)] : []),
    ...(separated
      ? [{ refusal: 'conflict' as const, pointer: '/roles', code: 'duties-apart', detail: separated }]
      : []),
  ];
}

const shownMax = 5;

function tooMuch(missing: string[]): InviteeFault {
  const more = missing.length > shownMax ? '; and more' : '';
  return {
    refusal: 'forbidden',
    pointer: '/roles',
    code: 'more-than-you-may',
    detail: `Nobody gives more than they hold; these roles reach further: ${missing.slice(0, shownMax).join('; ')}${more}.`,
  };
}
