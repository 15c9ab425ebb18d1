import { inTenant, type Place } from '../../models/scope.ts';
import type { Dimensions, MeterName } from '../../policies/meters.ts';
import { eventually } from './traces.ts';

/**
 * A meter filled past the product: readings as they are, and every sum made from them anew by plain SQL, so that what
 * reads the meter is tested against what the tables say and not against what wrote them.
 */
export type Seeded = Dimensions & {
  meter: MeterName;
  at: number;
  value?: number;
  member?: string | undefined;
  runId?: string | undefined;
};

const facts = ['meter', 'agent_id', 'workflow_id', 'user_id', 'key_id', 'model', 'kind'].join(', ');
const given = `SELECT coalesce(value ->> 'value', '1')::numeric AS value, to_timestamp((value ->> 'at')::numeric / 1000) AS at,
  value ->> 'member' AS member, value ->> 'runId' AS run_id, value ->> 'meter' AS meter,
  coalesce(value ->> 'agentId', '') AS agent_id, coalesce(value ->> 'workflowId', '') AS workflow_id,
  coalesce(value ->> 'userId', '') AS user_id, coalesce(value ->> 'keyId', '') AS key_id,
  coalesce(value ->> 'model', '') AS model, coalesce(value ->> 'kind', '') AS kind
  FROM jsonb_array_elements($1::jsonb)`;

export async function seedUsage(
  place: Place,
  readings: readonly Seeded[],
  into: 'usage_events' | 'usage_corrections' = 'usage_events',
): Promise<void> {
  // Two that lock for each other's sake are told to try again, and one of them may be the installation.
  await eventually(() => seeded(place, readings, into), 30);
}

async function seeded(
  place: Place,
  readings: readonly Seeded[],
  into: 'usage_events' | 'usage_corrections',
): Promise<void> {
  await inTenant(place, async ({ sql }) => {
    const all = [JSON.stringify(readings)];
    // The installation may be counting what the test asked of it meanwhile.
    await sql('LOCK TABLE usage_events, usage_hours, usage_days, usage_members IN SHARE ROW EXCLUSIVE MODE');
    await sql(
      `INSERT INTO usage_series (${facts}) SELECT DISTINCT ${facts} FROM (${given}) g ON CONFLICT DO NOTHING`,
      all,
    );
    await sql(
      `INSERT INTO ${into} (key, series, at, value, member, run_id)
       SELECT gen_random_uuid(), s.id, at, value, member, run_id FROM (${given}) g JOIN usage_series s USING (${facts})`,
      all,
    );
    await sql('DELETE FROM usage_hours');
    await sql('DELETE FROM usage_days');
    await sql('DELETE FROM usage_members');
    for (const unit of ['hour', 'day'])
      await sql(`INSERT INTO usage_${unit}s SELECT series, begun AT TIME ZONE 'UTC', sum(value), count(*), max(value),
          (array_agg(value ORDER BY at DESC))[1], max(at),
          sum(value * extract(epoch FROM begun AT TIME ZONE 'UTC' + interval '1 ${unit}' - at))
        FROM (SELECT *, date_trunc('${unit}', at AT TIME ZONE 'UTC') AS begun FROM usage_events) e GROUP BY series, begun`);
    await sql(`INSERT INTO usage_members SELECT DISTINCT series, (at AT TIME ZONE 'UTC')::date, member
      FROM usage_events WHERE member IS NOT NULL`);
  });
}

export async function emptyMeter(place: Place): Promise<void> {
  const tables = ['hours', 'days', 'members', 'events', 'corrections', 'outbox', 'series'];
  await inTenant(place, async ({ sql }) => {
    for (const table of tables) await sql(`DELETE FROM usage_${table}`);
  });
}
