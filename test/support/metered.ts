import { setTimeout as pause } from 'node:timers/promises';
import { inTenant, type Place } from '../../models/scope.ts';
import { foldUsage } from '../../models/tenant/usage-fold.ts';

/** Everything that was noted is in the meter: also what another is just taking there. */
export async function allCounted(place: Place): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(50)) {
    await foldUsage(place);
    const waiting = await inTenant(place, ({ sql }) => sql('SELECT seq FROM usage_outbox LIMIT 1'));
    if (waiting.length === 0) return;
  }
  throw new Error('what was used was not counted in time');
}

export type Counted = Record<string, string | number>;

/** What a meter says, by dimensions that are not empty. */
export async function meterOf(place: Place, meter: string): Promise<Counted[]> {
  const rows = await inTenant(place, ({ sql }) =>
    sql<Record<string, string>>(
      `SELECT agent_id, workflow_id, user_id, key_id, model, kind, sum(value)::float8 AS value FROM usage_hours
       JOIN usage_series s ON s.id = series WHERE meter = $1 GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6`,
      [meter],
    ),
  );
  return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== '')));
}
