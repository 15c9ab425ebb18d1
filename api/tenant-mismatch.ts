import { type AuditEvent, auditInSystem, auditInTenant } from '../models/audit.ts';
import { config } from '../models/databases.ts';
import { inSystem, inTenant, readInSystem } from '../models/scope.ts';
import { placeOf, systemTenantId, tenantById } from '../models/system/tenant.ts';
import { tenantHost } from '../models/tenant-address.ts';
import { Refusal } from '../policies/refusal.ts';
import { refusals } from '../telemetry.ts';
import type { Incoming } from './route.ts';
import { disagreement, isMismatch, type Reading, TenantMismatch, whyNot } from './tenant-context.ts';

/**
 * A request that names two tenants is how crossing over would look, so it is refused and written down: in the trail
 * of the tenant whose credential was used; in the platform's, about nobody and without an address, when there is no
 * credential that counts. Neither says more of the other tenant than the caller had named already.
 */
export async function refuseDisagreement(reading: Reading, tenantId: string): Promise<never> {
  throw disagreement(reading, { host: await ownHost(tenantId) });
}

async function ownHost(tenantId: string): Promise<string> {
  const [rows] = await readInSystem(tenantId, [tenantById(tenantId)]);
  const slug = rows?.[0]?.slug;
  return slug === undefined ? new URL(config().publicUrl).host : tenantHost(String(slug));
}

/** The two tenants that were named by a request that was refused, if any; also when its credential was not good. */
export function mismatchOf({ reading }: Incoming, thrown: unknown): Reading | undefined {
  if (thrown instanceof TenantMismatch) return thrown.reading;
  const notValid = thrown instanceof Refusal && thrown.code === 'unauthenticated';
  return notValid && reading && isMismatch(reading) ? reading : undefined;
}

export async function recordMismatch(
  reading: Reading,
  { known, requestId, source }: Incoming,
): Promise<void> {
  const named = reading.signals.filter((each) => each.by !== 'credential');
  const event: Omit<AuditEvent, 'actor'> = {
    action: 'enter Tenant',
    subject: { type: 'Tenant', id: known?.principal.tenantId },
    outcome: 'refused',
    rule: 'all that names a tenant names the same one',
    reason: whyNot(reading),
    requestId,
    details: { named: named.map(({ by, value }) => ({ by, value })) },
  };
  refusals.inc({ code: 'tenant-mismatch', tenant: known?.principal.tenantId ?? '' });
  if (!known) {
    // Where nobody comes from would be personal data in a trail that is nobody's.
    const anonymous = { kind: 'anonymous' as const };
    await inSystem('platform', ({ sql }) => auditInSystem(sql, { actor: anonymous, ...event }));
    return;
  }
  const full = { actor: known.principal, ...event, source };
  const { tenantId } = known.principal;
  const place = tenantId === systemTenantId ? undefined : await placeOf(tenantId);
  if (place) await inTenant(place, ({ sql }) => auditInTenant(sql, full));
  else await inSystem('platform', ({ sql }) => auditInSystem(sql, full));
}
