import { LRUCache } from 'lru-cache';
import type { Row, Statement } from '../models/batch.ts';
import { KeyGone } from '../models/key-cache.ts';
import { type Place, roleIsGone } from '../models/scope.ts';
import { systemTenantId } from '../models/system/tenant.ts';
import { asCredential, type Credential, credentialByToken } from '../models/tenant/credential.ts';
import { rightsOf } from '../models/tenant/rights.ts';
import { restrictionsOf } from '../models/tenant/usage-restriction.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Rights } from '../policies/rights.ts';
import { refusalOf, slowed } from '../policies/usage-restriction.ts';
import { requests } from '../telemetry.ts';
import { invalid, missing, type Token, tokenOf } from './credential.ts';
import { type Asking, refuseSpent, throttleTenant } from './request-rate.ts';
import type { Incoming } from './route.ts';
import { exchange, noteUse } from './session-token.ts';
import { namesTenant, readTenant, servedPlace } from './tenant-context.ts';
import { refuseDisagreement } from './tenant-mismatch.ts';
import { refuseGuesser, throttleAddress } from './throttle.ts';
import { takeTurn } from './turns.ts';

/** Who asks, from where the token says they belong; nothing about them is believed before their own schema confirmed it. */
export type Asker = { token: Token; place: Place };

type Trusted = Omit<Asking, 'routeClass'> & { principalId: string };

/**
 * Tokens that were good lately, and whose they were. It spares them the question about guessing, and a request that is
 * over the rate its look-up; for nothing else is it believed: each is looked up anew, and at least once a second.
 */
const trusted = new LRUCache<string, { asking: Trusted; at: number }>({
  max: 10_000,
  ttl: 600_000,
});
const spentKnownMs = 1_000;

export async function askerOf(incoming: Incoming): Promise<Asker> {
  const { request, response, source } = incoming;
  try {
    const token = tokenOf(request, incoming.pages);
    if (!token) throw missing();
    const known = trusted.get(token.hash);
    if (!known) await refuseGuesser(response, source);
    const place = await servedPlace(token.tenantId);
    if (!place) throw invalid();
    if (known && performance.now() - known.at < spentKnownMs) {
      // Refused, it was theirs all the same.
      incoming.caller = { tenantId: token.tenantId, kind: token.kind, principalId: known.asking.principalId };
      refuseSpent(response, { ...known.asking, routeClass: incoming.routeClass });
      incoming.caller = undefined;
    }
    incoming.endTurn = await takeTurn(token.tenantId, incoming);
    if (namesTenant(request)) incoming.reading = await readTenant(request, token.tenantId);
    return { token, place };
  } catch (thrown) {
    // Guessing costs the address that guesses.
    if (thrown instanceof Refusal && thrown.code === 'unauthenticated')
      await throttleAddress(response, source, 'guess');
    throw thrown;
  }
}

export function credentialStatement({ token }: Asker): Statement {
  return credentialByToken(token.tenantId, token.kind, token.hash);
}

export type Known = {
  principal: Extract<Principal, { tenantId: string }>;
  rights: Rights;
  /** What belongs to one of these is the asker's own: their id, and for a key that of its owner. */
  ids: string[];
  credential: Credential;
};

type Ask = (statement: Statement) => Promise<Row[]>;

/** Turns the credential's row into a principal that may go on, or refuses: it names two tenants, or is suspended. */
export async function knownAsker(
  asker: Asker,
  row: Row | undefined,
  incoming: Incoming,
  ask: Ask,
): Promise<Known> {
  const known = await verifiedAsker(asker, row, incoming, ask);
  const { reading } = incoming;
  if (reading && !reading.agreed) await refuseDisagreement(reading, asker.token.tenantId);
  const { tenantState } = known.credential;
  if (tenantState !== 'active') {
    throw new Refusal(
      'tenant-suspended',
      `This organisation is ${tenantState}; its administrators were told why.`,
    );
  }
  return known;
}

/** Who it is, if the credential is good and the plan's rate not used up; nothing is said about what they may do. */
export async function verifiedAsker(
  asker: Asker,
  row: Row | undefined,
  incoming: Incoming,
  ask: Ask,
): Promise<Known> {
  const { response, source } = incoming;
  const credential = asCredential(row);
  if (!credential) {
    trusted.delete(asker.token.hash);
    await throttleAddress(response, source, 'guess');
    throw invalid();
  }
  const { tenantId, kind, hash } = asker.token;
  const { slowed, restrictions } = await restrictedBy(asker, credential);
  const asking = { ...credential, tenantId, cell: asker.place.cell, slowed };
  trusted.set(hash, { asking, at: performance.now() });
  requests.inc({ tenant: tenantId, credential: kind });
  incoming.tenantId = tenantId;
  incoming.caller = { tenantId, kind, principalId: credential.principalId };
  await throttleTenant(response, { ...asking, routeClass: incoming.routeClass });
  const known = await knownBy(asker, credential, ask);
  incoming.known = known;
  const refused = kind === 'key' && refusalOf(restrictions, 'ask anything', known, new Date());
  if (refused) throw refused;
  minds(asker, credential, incoming);
  return known;
}

/** What limits and signs of abuse do to requests: of everybody together, and of this key or person. */
async function restrictedBy({ place }: Asker, { principalId, ownerId }: Credential) {
  const restrictions = place.tenantId === systemTenantId ? [] : await restrictionsOf(place);
  const now = new Date();
  const ids = ownerId ? [principalId, ownerId] : [principalId];
  const ofAll = restrictions.filter(({ scope }) => scope === 'tenant');
  const own = restrictions.filter(({ scope }) => scope === 'key' || scope === 'user');
  const { factor: credential, because } = slowed(own, { ids }, now);
  const { factor: tenant } = slowed(ofAll, { ids }, now);
  return { restrictions, slowed: { tenant, credential, whose: because?.scopeId } };
}

async function knownBy({ token }: Asker, credential: Credential, ask: Ask): Promise<Known> {
  const { tenantId, kind } = token;
  const { principalId: id, ownerId } = credential;
  const principal = { kind: kind === 'key' ? ('api-key' as const) : ('user' as const), id, tenantId };
  const rights = await rightsOf(tenantId, credential, ask);
  return { principal, rights, ids: ownerId ? [id, ownerId] : [id], credential };
}

/** Whether somebody whose request was let in still may go on, and as whom; it counts as no request of theirs. */
export async function stillKnown(asker: Asker, row: Row | undefined, ask: Ask): Promise<Known | undefined> {
  const credential = asCredential(row);
  if (credential?.tenantState !== 'active' || credential.session?.stage === 'enrolment') return undefined;
  return knownBy(asker, credential, ask);
}

/** What a session brings with it: a stage at which little is allowed, a token to be exchanged, a use to be noted. */
function minds({ token, place }: Asker, { credentialId: id, session }: Credential, incoming: Incoming): void {
  if (!session) return;
  if (session.rotate) incoming.beforeAnswer = () => exchange(place, { id, hash: token.hash }, incoming);
  if (session.stale) incoming.afterAnswer = () => noteUse(place, id);
  if (session.stage === 'enrolment' && !incoming.duringEnrolment) {
    throw new Refusal(
      'forbidden',
      'This organisation asks for a second factor; set yours up first: POST /v1/me/second-factor.',
      { extra: { secondFactor: 'required' } },
    );
  }
}

/** Whether it failed because the tenant has no role: it was deleted a moment ago, or is not made yet. */
export function isGone(cause: unknown): boolean {
  return cause instanceof KeyGone || roleIsGone(cause);
}

/** The tokens of a tenant that is gone are simply not valid. */
export function goneIsInvalid(cause: unknown): never {
  throw isGone(cause) ? invalid() : cause;
}
