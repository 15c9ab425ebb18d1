import { inTenant, type Place } from '../models/scope.ts';
import { watchAbuse } from '../models/tenant/abuse-watch.ts';
import { settleAllLimits } from '../models/tenant/limit-watch.ts';
import { anyPending } from '../models/tenant/notice-outbox.ts';
import { wakeTold } from '../temporal/told.ts';
import { releaseRuns } from './run/release.ts';

/**
 * Of one tenant, by the meter's schedule: time has passed, so windows have turned and restrictions are over; somebody may
 * be doing far more than ever; runs that were held may go on; and what people were told and was left is sent. Each by
 * itself, so that one that fails keeps nothing from the others.
 */
export async function watchLimits(place: Place, now: Date = new Date()): Promise<void> {
  const watches = [
    () => settleAllLimits(place, now),
    () => inTenant(place, ({ sql }) => watchAbuse(sql, now)),
    () => releaseRuns(place),
    async () => {
      if (await inTenant(place, ({ sql }) => anyPending(sql))) await wakeTold(place.tenantId);
    },
  ];
  const failures: unknown[] = [];
  for (const watch of watches) await watch().catch((failure: unknown) => failures.push(failure));
  if (failures.length > 0) throw failures[0];
}
