import type { Place } from '../models/scope.ts';
import { daysToReconcile, reconcileDay } from '../models/tenant/usage-reconciliation.ts';
import { log, usageDrifts } from '../telemetry.ts';

/** Compares the days that are over (models/tenant/usage-reconciliation.ts), and tells operators of what differs. */
export async function reconcileUsage(place: Place): Promise<void> {
  const { tenantId } = place;
  for (const day of await daysToReconcile(place)) {
    const { drifts, compared } = await reconcileDay(place, day);
    for (const { check } of drifts) usageDrifts.inc({ tenant: tenantId, check });
    if (drifts.length > 0)
      log.error({ tenantId, day, compared, drifts: drifts.slice(0, 10) }, 'use was counted in two ways');
  }
}
