import { auditInTenant } from '../models/audit.ts';
import { passwordMatches } from '../models/passwords.ts';
import { inTenant, type Place, type TenantScope } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import { useCode } from '../models/tenant/second-factor.ts';
import { type Delivery, openSession, type Session } from '../models/tenant/session.ts';
import {
  type Attempt,
  beginAttempt,
  countAttempt,
  type Person,
  personNow,
  rememberPlace,
  takeBack,
} from '../models/tenant/sign-in.ts';
import { Refusal } from '../policies/refusal.ts';
import { bySubnet } from './throttle.ts';

/**
 * Proving who one is. An attempt is counted before it is looked at, unknown addresses go through the same hashing and
 * the same counters as known ones, and only what was right is taken off again.
 */
export type Claim = {
  email: string;
  password: string;
  code?: string | undefined;
  delivery: Delivery;
  /** The token that the request came with, if any: its session ends with the new one. */
  earlier?: string | undefined;
};
export type Whence = { source: string; requestId: string; userAgent?: string | undefined };

export async function signInWith(
  place: Place,
  claim: Claim,
  whence: Whence,
): Promise<Session & { userId: string }> {
  const subnet = bySubnet(whence.source);
  const { attempt, person } = await beginAttempt(place, claim.email, subnet);
  if (attempt.waitSeconds) await noteFailure(place, whence, 'too many failed attempts');
  refuseTooMany(attempt);
  const matches = await looked(place, attempt, () => passwordMatches(person?.secret, claim.password));
  if (!matches || !person) throw await failed(place, whence, 'password');
  if (person.factor && claim.code === undefined) {
    await takeBack(place, attempt);
    throw new Refusal(
      'second-factor-required',
      'Send a code of your authenticator app, or a recovery code, as “code” along with the password.',
    );
  }
  const session = await inTenant(place, (tenant) =>
    admitted(tenant, { place, claim, whence, attempt, person, subnet }),
  );
  if (typeof session === 'string') throw await failed(place, whence, session);
  return { ...session, userId: person.userId };
}

type Unproven = 'password' | 'second factor';

async function failed(place: Place, whence: Whence, unproven: Unproven): Promise<Refusal> {
  await noteFailure(place, whence, unproven);
  if (unproven === 'password')
    return new Refusal('unauthenticated', 'E-mail address or password is not right.');
  return new Refusal('unauthenticated', 'The code is not right, or was used before; wait for the next one.', {
    errors: [{ pointer: '/code', code: 'not-acceptable', detail: 'is not right, or was used before' }],
  });
}

type Admission = {
  place: Place;
  claim: Claim;
  whence: Whence;
  attempt: Attempt;
  person: Person;
  subnet: string;
};

/**
 * In one transaction: the code is used up, the session there, the place known, and the trail says so; or none of it.
 * What was proven outside it has to be what is asked for now: a sign-in under way does not outlive a change of
 * password, a second factor that was set up meanwhile, or the person's membership.
 */
async function admitted(tenant: TenantScope, admission: Admission): Promise<Session | Unproven> {
  const { place, claim, whence, attempt, person, subnet } = admission;
  const { sql } = tenant;
  const { userId } = person;
  const now = await personNow(sql, userId);
  if (now?.secret !== person.secret || now.factor !== person.factor) return 'password';
  const [{ state } = { state: '' }] = await sql<{ state: string }>('SELECT state FROM tenant');
  if (state !== 'active') throw new Refusal('tenant-suspended', `This organisation is ${state}.`);
  if (person.factor && !(await useCode(sql, place, userId, claim.code ?? ''))) return 'second factor';
  if (claim.earlier)
    await sql('DELETE FROM sessions WHERE user_id = $1 AND token_hash = $2', [userId, digest(claim.earlier)]);
  const { source, userAgent, requestId } = whence;
  const opened = await openSession(tenant, place.tenantId, userId, {
    source,
    userAgent,
    delivery: claim.delivery,
  });
  await rememberPlace(sql, userId, subnet, attempt);
  await auditInTenant(sql, {
    actor: { kind: 'user', id: userId, tenantId: place.tenantId },
    action: 'create Session',
    subject: { type: 'Session', id: opened.id },
    outcome: 'done',
    rule: person.factor ? 'password and second factor' : 'password',
    requestId,
    source,
  });
  return opened;
}

/**
 * Its own class because it is written to the audit trail whatever its code is (api/recording.ts), once the transaction
 * it was asked in is taken back: it is how a stolen session looks that is used to guess.
 */
export class NotProven extends Refusal {}

function refuseTooMany({ waitSeconds }: Attempt): void {
  if (waitSeconds === undefined) return;
  throw new NotProven(
    'rate-limited',
    `Too many failed attempts for this account; wait ${Math.ceil(waitSeconds / 60)} min, or have your password reset.`,
    { retryAfterSeconds: waitSeconds },
  );
}

/** What could not be looked at, because too many are signing in, is no failure. */
async function looked<T>(place: Place, attempt: Attempt, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (cause) {
    await takeBack(place, attempt);
    throw cause;
  }
}

/** Says that somebody tried, not whom they tried to be: that would be a list of who has an account. */
async function noteFailure(
  place: Place,
  { requestId, source }: Whence,
  rule: Unproven | 'too many failed attempts',
): Promise<void> {
  await inTenant(place, ({ sql }) =>
    auditInTenant(sql, {
      actor: { kind: 'anonymous' },
      action: 'create Session',
      subject: { type: 'Session' },
      outcome: 'refused',
      rule,
      requestId,
      source,
    }),
  );
}

/**
 * The same for whoever is signed in and is asked once more: a session that was stolen must not be a way to guess the
 * password or a code. Counted apart from the transaction it is asked in, which a refusal takes back.
 */
export async function provenAgain(
  place: Place,
  who: { email: string; source: string },
  look: () => Promise<boolean>,
): Promise<boolean> {
  const attempt = await countAttempt(place, who.email, bySubnet(who.source));
  refuseTooMany(attempt);
  const right = await looked(place, attempt, look);
  if (right) await takeBack(place, attempt);
  return right;
}

export async function insistProven(
  place: Place,
  who: { email: string; source: string },
  asked: { pointer: string; detail: string },
  look: () => Promise<boolean>,
): Promise<void> {
  if (await provenAgain(place, who, look)) return;
  throw new NotProven('invalid-request', 'What proves that it is you is not right.', {
    errors: [{ ...asked, code: 'not-acceptable' }],
  });
}

export async function insistPassword(
  place: Place,
  who: { email: string; secret: string | null; source: string },
  given: string,
): Promise<void> {
  const asked = { pointer: '/currentPassword', detail: 'is not the current password' };
  await insistProven(place, who, asked, () => passwordMatches(who.secret ?? undefined, given));
}
