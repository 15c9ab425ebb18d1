import type { Row } from '../models/batch.ts';
import type { Sql } from '../models/scope.ts';
import { type KeyKind, unknownRoles } from '../models/tenant/api-key.ts';
import type { Credential } from '../models/tenant/credential.ts';
import { dutyFault } from '../models/tenant/duty-separation.ts';
import { rightsOfPrincipal, rightsOfRoles } from '../models/tenant/rights.ts';
import { Refusal } from '../policies/refusal.ts';
import { missingFrom, type Rights } from '../policies/rights.ts';
import { iso } from './present.ts';

/**
 * What a key may be given, and into whose hands its token may come: nobody gets more by a key than they hold
 * themselves, and nobody gets a token that acts in another person's name.
 */
type Asker = {
  tenantId: string;
  me: string;
  rights: Rights;
  credential: Credential;
};

type Wanted = { kind: KeyKind; roles?: string[] | undefined };

/** Whoever holds no more than a token that was exchanged may have found it; it brings them no way to stay. */
function insistOnCurrent({ superseded, session }: Credential): void {
  if (!superseded) return;
  const hint = session ? '; an earlier answer brought it, and signing in again brings another' : '';
  throw new Refusal(
    'forbidden',
    `This token was exchanged; it is good for a little longer, but keys are made and exchanged with the new one${hint}.`,
  );
}

/** The roles of a key about to be made; undefined when it follows its owner. */
export async function rolesForKey(
  sql: Sql,
  { kind, roles }: Wanted,
  { tenantId, me, rights, credential }: Asker,
): Promise<string[] | undefined> {
  insistOnCurrent(credential);
  if (kind === 'user' && !me.startsWith('usr_')) {
    throw new Refusal(
      'conflict',
      'A service key belongs to nobody, so it cannot make a key of a person’s own.',
    );
  }
  if (!roles) {
    // It would follow its owner further than the key that made it may go.
    if (kind === 'user' && !credential.bound) return undefined;
    throw faulty(
      '/roles',
      'required',
      kind === 'user'
        ? 'must name roles: the key you use has its own'
        : 'must name the roles of a service key',
    );
  }
  const unknown = await unknownRoles(sql, roles);
  if (unknown.length > 0) {
    const at = roles.indexOf(unknown[0] ?? '');
    throw faulty(`/roles/${at}`, 'not-acceptable', 'must be a role of this organisation: see GET /v1/roles');
  }
  const broken = await dutyFault(sql, roles);
  if (broken) throw new Refusal('conflict', broken);
  insistOnHolding(
    rights,
    await rightsOfRoles(sql, tenantId, roles),
    'A key cannot have rights you do not hold',
  );
  return roles;
}

function faulty(pointer: string, code: string, detail: string): Refusal {
  return new Refusal('invalid-request', 'Some of what was sent is not acceptable; each fault is listed.', {
    errors: [{ pointer, code, detail }],
  });
}

/** What a key may ask at most, it cannot raise for itself or for another; what it makes without a rate has its own. */
export function rateForKey(wanted: number | null | undefined, { keyPerMinute: own }: Credential) {
  if (own === undefined || (typeof wanted === 'number' && wanted <= own)) return wanted;
  if (wanted === undefined) return own;
  throw new Refusal('forbidden', `The key you use may ask ${own} times a minute, so it can allow no more.`);
}

const namedMax = 5;

function insistOnHolding(rights: Rights, wanted: Rights, sentence: string): void {
  const missing = missingFrom(rights, wanted);
  if (missing.length === 0) return;
  const more = missing.length > namedMax ? ` and ${missing.length - namedMax} more` : '';
  throw new Refusal('forbidden', `${sentence}: ${missing.slice(0, namedMax).join('; ')}${more}.`);
}

/** Only a key that could still be used can be changed; and its end can only come sooner. */
export function insistOnLive(key: Row, expiresAt?: string): void {
  if (key.state !== 'active')
    throw new Refusal('conflict', `This key is ${key.state}, and stays so; make a new one.`);
  const end = iso(key.expires_at);
  if (expiresAt && end && Date.parse(expiresAt) > Date.parse(end))
    throw faulty(
      '/expiresAt',
      'not-acceptable',
      'must be sooner than it is now; make a new key to have one for longer',
    );
}

/** Whoever exchanges a token gets the new one in their hands, and with it everything the key may do. */
export async function insistOnOwnHands(
  sql: Sql,
  key: Row,
  { tenantId, me, rights, credential }: Asker,
): Promise<void> {
  insistOnCurrent(credential);
  if (key.owner_id !== null && key.owner_id !== me) {
    throw new Refusal(
      'forbidden',
      'This key acts in another person’s name, so only they can exchange it; you can revoke it.',
    );
  }
  // It is bounded by its owner, who asks here with all they have.
  if (key.owner_id === me && !credential.bound) return;
  const wanted = await rightsOfPrincipal(sql, tenantId, String(key.id));
  insistOnHolding(rights, wanted, 'This key may do what you may not, so you cannot have its token');
}
