import { releaseRunsNow } from '../activities/run/release.ts';
import type { Place } from '../models/scope.ts';
import { toldSoon } from '../models/tenant/told.ts';

/** Once a change of limits is committed, and with it what is restricted: people are told, and what was held goes on. */
export function followLimits(place: Place): Promise<void> {
  toldSoon(place);
  return releaseRunsNow(place);
}
