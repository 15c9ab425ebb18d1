import { inTenant, type Place } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { endedUntold, noteRunsTold } from '../../models/tenant/usage-restriction.ts';
import { log } from '../../telemetry.ts';
import { tellRuns } from './everyone.ts';

/**
 * Tells runs that were queued or stopped to look again, once what held them is over. Noted afterwards: whoever is killed in
 * between leaves it to the meter's schedule, and being told twice changes nothing.
 */
export async function releaseRuns({ tenantId }: Pick<Place, 'tenantId'>): Promise<void> {
  const place = await placeOf(tenantId);
  if (!place) return;
  const over = await inTenant(place, ({ sql }) => endedUntold(sql));
  if (over.length === 0) return;
  await tellRuns(place);
  await inTenant(place, ({ sql }) => noteRunsTold(sql, over));
}

/** For whoever has done what they were asked for, and leaves what fails here to the schedule. */
export async function releaseRunsNow(place: Pick<Place, 'tenantId'>): Promise<void> {
  await releaseRuns(place).catch((error: unknown) =>
    log.warn(
      { tenantId: place.tenantId, error: String(error) },
      'held runs are left to the schedule to release',
    ),
  );
}
