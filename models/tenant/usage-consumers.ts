import { type Dimension, dimensions, type MeterName, meterOf } from '../../policies/meters.ts';
import { type Place, readInTenant } from '../scope.ts';
import type { Visible } from '../visible.ts';
import { columnOf, piecesSql } from './usage-parts.ts';
import { piecesMax } from './usage-statements.ts';

/** Who and what used how much of which meter in one time, by every dimension at once: the meter is read through once. */
export type Consumed = {
  dimension: Exclude<Dimension, 'kind'>;
  id: string;
  meter: MeterName;
  kind: string;
  value: number;
};
type Asked = { bounds: readonly [number, number]; meters: readonly MeterName[]; visible: Visible };

const apart = dimensions.filter((name) => name !== 'kind');

/** Undefined when there are more consumers than anybody reads about. */
export async function readConsumers(place: Place, asked: Asked): Promise<Consumed[] | undefined> {
  const sets = apart.map((name) => `(meter, kind, ${columnOf(name)})`).join(', ');
  const which = apart.map((name) => `WHEN GROUPING(${columnOf(name)}) = 0 THEN '${name}'`).join(' ');
  const found = await readInTenant(
    place,
    (['sum', 'count'] as const).map((aggregation) => {
      const meters = asked.meters.filter((name) => meterOf(name).aggregation === aggregation);
      const { bounds, visible } = asked;
      const { tenantId } = place;
      const parts = piecesSql({ tenantId, bounds, visible, meters, aggregation, filter: {}, byRun: false });
      const text = `${parts.text}
        SELECT meter, kind, CASE ${which} END AS dimension, coalesce(${apart.map(columnOf).join(', ')}) AS id, sum(v) AS value
        FROM p GROUP BY GROUPING SETS (${sets}) LIMIT ${piecesMax + 1}`;
      return { text, values: parts.values };
    }),
  );
  if (found.some((rows) => rows.length > piecesMax)) return undefined;
  return found.flat().map((row) => ({
    // Both are of our own lists: CASE above, and what the meter takes in.
    dimension: row.dimension as Consumed['dimension'],
    meter: row.meter as MeterName,
    id: String(row.id),
    kind: String(row.kind),
    value: Number(row.value),
  }));
}
