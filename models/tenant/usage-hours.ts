import type { Hour } from '../../policies/ladder-replay.ts';
import type { MeterName } from '../../policies/meters.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';

/** The hours of some meters: of everybody together, or of each agent and key where somebody asks for one of them. */
export type HoursAsked = {
  meters: readonly MeterName[];
  from: Date;
  until: Date;
  byWhom: boolean;
  limit: number;
};

export function hoursStatement(
  tenantId: string,
  { meters, from, until, byWhom, limit }: HoursAsked,
): Statement {
  const schema = schemaOf(tenantId);
  const whom = (column: string) => (byWhom ? `s.${column}` : `''`);
  return {
    text: `SELECT h.hour, s.meter, ${whom('agent_id')} AS agent_id, ${whom('key_id')} AS key_id,
             sum(h.value)::float8 AS value, sum(h.last)::float8 AS last
           FROM ${schema}.usage_hours h JOIN ${schema}.usage_series s ON s.id = h.series
           WHERE s.meter = ANY (string_to_array($1, ' ')) AND h.hour >= $2::timestamptz AND h.hour < $3::timestamptz
           GROUP BY 1, 2, 3, 4 ORDER BY 1 LIMIT $4`,
    values: [meters.join(' '), from.toISOString(), until.toISOString(), limit],
  };
}

export const asHour = (row: Record<string, unknown>): Hour => ({
  hour: new Date(String(row.hour)),
  // Only meters that were asked for are read.
  meter: row.meter as MeterName,
  agentId: String(row.agent_id),
  keyId: String(row.key_id),
  value: Number(row.value),
  last: Number(row.last),
});
