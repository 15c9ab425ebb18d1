import { LRUCache } from 'lru-cache';
import type { Row, Statement } from '../models/batch.ts';
import { type Place, sqlState } from '../models/scope.ts';
import { asCredential, type Credential, credentialByToken } from '../models/tenant/credential.ts';
import { rightsOf } from '../models/tenant/rights.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Rights } from '../policies/rights.ts';
import { requests } from '../telemetry.ts';
import { invalid, missing, type Token, tokenOf } from './credential.ts';
import type { Incoming } from './route.ts';
import { namesTenant, readTenant, servedPlace } from './tenant-context.ts';
import { refuseDisagreement } from './tenant-mismatch.ts';
import { refuseGuesser, throttleAddress, throttleTenant } from './throttle.ts';

/** Who asks, from where the token says they belong; nothing about them is believed before their own schema confirmed it. */
export type Asker = { token: Token; place: Place };

/** Tokens that were good lately. It spares them the question about guessing and nothing else: each is looked up anew. */
const trusted = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

export async function askerOf(incoming: Incoming): Promise<Asker> {
  const { request, response, source } = incoming;
  try {
    const token = tokenOf(request);
    if (!token) throw missing();
    if (!trusted.has(token.hash)) await refuseGuesser(response, source);
    const place = await servedPlace(token.tenantId);
    if (!place) throw invalid();
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
    await throttleAddress(response, source, 'guess');
    throw invalid();
  }
  const { tenantId, kind, hash } = asker.token;
  trusted.set(hash, true);
  requests.inc({ tenant: tenantId, credential: kind });
  incoming.tenantId = tenantId;
  await throttleTenant(response, { tenantId, ...credential });
  const principal = {
    kind: kind === 'key' ? ('api-key' as const) : ('user' as const),
    id: credential.principalId,
    tenantId,
  };
  const rights = await rightsOf(tenantId, credential, ask);
  const { principalId, ownerId } = credential;
  const known = { principal, rights, ids: ownerId ? [principalId, ownerId] : [principalId], credential };
  incoming.known = known;
  return known;
}

/** Whether it failed because the tenant has no role: it was deleted a moment ago, or is not made yet. */
export function isGone(cause: unknown): boolean {
  return sqlState(cause) === '22023' && /role .* does not exist/.test(String(cause));
}

/** The tokens of a tenant that is gone are simply not valid. */
export function goneIsInvalid(cause: unknown): never {
  throw isGone(cause) ? invalid() : cause;
}
