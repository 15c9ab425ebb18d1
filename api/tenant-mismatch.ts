import { type AuditEvent, auditInSystem, auditInTenant } from '../models/audit.ts';
import { config } from '../models/databases.ts';
import { inSystem, inTenant, type Place, readInSystem } from '../models/scope.ts';
import { systemTenantId, tenantById } from '../models/system/tenant.ts';
import { tenantHost } from '../models/tenant-address.ts';
import type { Principal } from '../policies/principal.ts';
import { refusals } from '../telemetry.ts';
import type { Incoming } from './route.ts';
import { disagreement, type Reading, TenantMismatch, whyNot } from './tenant-context.ts';

/**
 * A request that names two tenants is how crossing over would look, so it is refused and written down: in the trail
 * of the tenant whose credential was used; in the platform's, about nobody and without an address, when there is no
 * credential that counts. Neither says more of the other tenant than the caller had named already.
 */
export async function refuseDisagreement(
  reading: Reading,
  principal: Extract<Principal, { tenantId: string }>,
  place: Place,
  incoming: Incoming,
): Promise<never> {
  const refusal = disagreement(reading, { host: await ownHost(principal.tenantId) });
  if (refusal instanceof TenantMismatch) {
    incoming.denied = () => recordMismatch(reading, principal, place, incoming);
  }
  throw refusal;
}

async function ownHost(tenantId: string): Promise<string> {
  const [rows] = await readInSystem(tenantId, [tenantById(tenantId)]);
  const slug = rows?.[0]?.slug;
  return slug === undefined ? new URL(config().publicUrl).host : tenantHost(String(slug));
}

async function recordMismatch(
  reading: Reading,
  principal: Extract<Principal, { tenantId: string }>,
  place: Place,
  { requestId, source }: Incoming,
): Promise<void> {
  refusals.inc({ code: 'tenant-mismatch', tenant: place.tenantId });
  const event = eventOf(reading, { actor: principal, id: place.tenantId, requestId, source });
  if (place.tenantId === systemTenantId) await inSystem('platform', ({ sql }) => auditInSystem(sql, event));
  else await inTenant(place, ({ sql }) => auditInTenant(sql, event));
}

/** For callers nobody vouches for. Where they come from would be personal data in a trail that is nobody's. */
export async function recordAnonymousMismatch(reading: Reading, { requestId }: Incoming): Promise<void> {
  refusals.inc({ code: 'tenant-mismatch', tenant: '' });
  const event = eventOf(reading, { actor: { kind: 'anonymous' }, requestId });
  await inSystem('platform', ({ sql }) => auditInSystem(sql, event));
}

type About = { actor: AuditEvent['actor']; id?: string; requestId: string; source?: string };

function eventOf(reading: Reading, { actor, id, requestId, source }: About): AuditEvent {
  const named = reading.signals.filter((each) => each.by !== 'credential');
  return {
    actor,
    action: 'enter Tenant',
    subject: { type: 'Tenant', id },
    outcome: 'refused',
    rule: 'all signals name one tenant',
    reason: whyNot(reading),
    requestId,
    source,
    details: { named: named.map(({ by, value }) => ({ by, value })) },
  };
}
