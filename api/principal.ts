import { LRUCache } from 'lru-cache';
import { type AuditEvent, auditInSystem, auditInTenant } from '../models/audit.ts';
import type { Row, Statement } from '../models/batch.ts';
import { inSystem, inTenant, type Place, sqlState } from '../models/scope.ts';
import { placeOf, systemTenantId } from '../models/system/tenant.ts';
import { asCredential, type Credential, credentialByToken } from '../models/tenant/credential.ts';
import { authorize, type Subject } from '../policies/authorize.ts';
import { type Action, permissions } from '../policies/permissions.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import { refusals, requests } from '../telemetry.ts';
import { invalid, missing, type Token, tokenOf } from './credential.ts';
import type { Incoming, Permitted, Shape } from './route.ts';
import { isMismatch, namesTenant, type Reading, readTenant, servedPlace } from './tenant-context.ts';
import { recordAnonymousMismatch, refuseDisagreement } from './tenant-mismatch.ts';
import { refuseGuesser, throttleAddress, throttleTenant } from './throttle.ts';

/** Who asks, from where the token says they belong; nothing about them is believed before their own schema confirmed it. */
export type Asker = {
  token: Token;
  place: Place;
  /** What else names a tenant; whether it agrees is told only to somebody whose credential is good. */
  reading?: Reading;
};

/** Tokens that were good lately. It spares them the question about guessing and nothing else: each is looked up anew. */
const trusted = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

export async function askerOf({ request, response, source }: Incoming): Promise<Asker> {
  try {
    const token = tokenOf(request);
    if (!token) throw missing();
    if (!trusted.has(token.hash)) await refuseGuesser(response, source);
    const place = await servedPlace(token.tenantId);
    if (!place) throw invalid();
    if (!namesTenant(request)) return { token, place };
    return { token, place, reading: await readTenant(request, token.tenantId) };
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
  roles: string[];
  credential: Credential;
};

/** Turns the credential's row into a principal that may go on, or refuses: it names two tenants, or is suspended. */
export async function knownAsker(asker: Asker, row: Row | undefined, incoming: Incoming): Promise<Known> {
  const known = await verifiedAsker(asker, row, incoming);
  const { reading, place } = asker;
  if (reading && !reading.agreed) await refuseDisagreement(reading, known.principal, place, incoming);
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
export async function verifiedAsker(asker: Asker, row: Row | undefined, incoming: Incoming): Promise<Known> {
  const { response, source } = incoming;
  const credential = asCredential(row);
  if (!credential) {
    await throttleAddress(response, source, 'guess');
    const { reading } = asker;
    if (reading && isMismatch(reading)) incoming.denied = () => recordAnonymousMismatch(reading, incoming);
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
  return { principal, roles: credential.roles, credential };
}

/** Whether it failed because the tenant has no role: it was deleted a moment ago, or is not made yet. */
export function isGone(cause: unknown): boolean {
  return sqlState(cause) === '22023' && /role .* does not exist/.test(String(cause));
}

/** The tokens of a tenant that is gone are simply not valid. */
export function goneIsInvalid(cause: unknown): never {
  throw isGone(cause) ? invalid() : cause;
}

type Asked = { action: Action; subject: Subject; id?: string | undefined };

/** Answers the rule that allows it; otherwise throws 404 or 403, and has the refusal recorded once all is rolled back. */
function decide(known: Known, asked: Asked, incoming: Incoming): string {
  const verdict = authorize(known.roles, asked.action, asked.subject);
  if (verdict.allowed) return verdict.rule;
  incoming.denied = () => recordRefusal(known, asked, verdict.rule, incoming);
  if (!verdict.visible && asked.id !== undefined) throw nothingThere();
  throw new Refusal('forbidden', whyForbidden(known.principal, asked));
}

/** Most who are refused are on the wrong side: operators at a tenant's routes, tenants' people at the platform's. */
function whyForbidden(principal: Principal, { action, subject }: Asked): string {
  const operator = principal.kind !== 'system' && principal.tenantId === systemTenantId;
  const scope = permissions.find((row) => row.action === action && row.subject === subject.type)?.scope;
  if (operator && scope === 'tenant')
    return 'This is for members of an organisation; you are an operator of the platform.';
  if (!operator && scope === 'platform')
    return 'This is for operators of the platform; you are a member of an organisation.';
  return `You may not ${action} ${subject.type}; ask an administrator for a role that may.`;
}

export type Found = { row: Row; rows: Row[] };

/**
 * Asks CASL about what was loaded. With path parameters the first row is the object; when there is none, the
 * question is asked of an object that does not exist, so that who may not look cannot tell it from one that does.
 */
export function permitted(
  spec: Permitted & { params?: Shape; load?: unknown },
  rows: Row[],
  known: Known,
  incoming: Incoming,
): { found: Found; rule: string } {
  const [action, type] = spec.permit;
  const one = spec.params !== undefined && spec.load !== undefined;
  const [row = {}] = rows;
  const missingRow = one && rows.length === 0;
  const id = missingRow ? '' : one ? String(row.id) : undefined;
  const rule = decide(known, { action, subject: { type, object: one ? row : {} }, id }, incoming);
  if (missingRow) throw nothingThere();
  return { found: { row, rows }, rule };
}

function nothingThere(): Refusal {
  return new Refusal('not-found', 'There is nothing at this address.');
}

async function recordRefusal(
  known: Known,
  asked: Asked,
  rule: string,
  { requestId, source }: Incoming,
): Promise<void> {
  const { principal } = known;
  const { tenantId } = principal;
  refusals.inc({ code: 'forbidden', tenant: tenantId });
  const event: AuditEvent = {
    actor: principal,
    action: `${asked.action} ${asked.subject.type}`,
    subject: { type: asked.subject.type, id: asked.id },
    outcome: 'refused',
    rule,
    requestId,
    source,
  };
  if (tenantId === systemTenantId) {
    await inSystem('platform', ({ sql }) => auditInSystem(sql, event));
    return;
  }
  const place = await placeOf(tenantId);
  if (place) await inTenant(place, ({ sql }) => auditInTenant(sql, event));
}
