import { type Aggregation, aggregations, type MeterName, meterOf } from '../../policies/meters.ts';
import { type Points, pointsOf, seriesOf } from '../../policies/usage-points.ts';
import type { Row } from '../batch.ts';
import { type Place, readInTenant } from '../scope.ts';
import type { Grouping } from './usage-parts.ts';
import {
  correctionsStatement,
  groupOf,
  pieceOf,
  piecesMax,
  piecesStatement,
  type UsageQuestion,
  waitingStatement,
} from './usage-statements.ts';

/** What was used, by meter, bucket and whatever it is broken down by: read from the meter, and nothing counted anew. */
export type UsageSeries = Points & {
  meter: MeterName;
  of: { [Name in Grouping]?: string };
  /** Readings that came too late for the sums they belong to: they stand beside them, in no bucket's value. */
  corrections: { bucket: number; readings: number; value: number | null }[];
};
/** `takenUntil`: everything until then is in it; what came after may still be on its way. */
export type UsageAnswer = { series: UsageSeries[]; takenUntil: Date };

type Used = { aggregation: Aggregation; meters: MeterName[] };

/** Undefined when that would be more than anybody reads. */
export async function readUsage(place: Place, question: UsageQuestion): Promise<UsageAnswer | undefined> {
  const { tenantId } = place;
  const used = usedBy(question);
  const once = used.filter(({ aggregation }) => aggregation === 'unique');
  // Members of several buckets are not members of all of them together: their total is a question of its own.
  const whole = { ...question, bounds: endsOf(question.bounds) };
  const [waiting, corrected = [], ...pieces] = await readInTenant(place, [
    waitingStatement(tenantId),
    correctionsStatement({ tenantId, question }),
    ...used.map((each) => piecesStatement({ tenantId, question }, each)),
    ...once.map((each) => piecesStatement({ tenantId, question: whole }, each)),
  ]);
  if ([corrected, ...pieces].some((rows) => rows.length > piecesMax)) return undefined;
  const points = new Map(used.flatMap((each, at) => [...pointsIn(pieces[at] ?? [], each, question)]));
  for (const row of pieces.slice(used.length).flat()) {
    const known = points.get(groupOf(row, question.groupBy));
    if (known) known.total = Number(row.value);
  }
  return { series: seriesIn(points, corrected, question), takenUntil: takenUntil(waiting, question) };
}

export const endsOf = (bounds: readonly number[]): [number, number] => [bounds[0] ?? 0, bounds.at(-1) ?? 0];

const usedBy = ({ meters }: UsageQuestion): Used[] =>
  aggregations
    .map((aggregation) => ({
      aggregation,
      meters: meters.filter((name) => meterOf(name).aggregation === aggregation),
    }))
    .filter((used) => used.meters.length > 0);

function pointsIn(rows: Row[], { aggregation, meters }: Used, question: UsageQuestion): Map<string, Points> {
  const asked = { aggregation, bounds: question.bounds, now: question.now };
  const points = pointsOf(
    rows.map((row) => pieceOf(row, question)),
    asked,
  );
  // Without groups each meter is answered, whether it was used or not.
  const always = question.groupBy.length === 0 ? meters.map((name) => groupOf({ meter: name }, [])) : [];
  for (const group of always) if (!points.has(group)) points.set(group, seriesOf([], asked));
  return points;
}

function seriesIn(points: Map<string, Points>, corrected: Row[], question: UsageQuestion): UsageSeries[] {
  const corrections = Map.groupBy(corrected, (row) => groupOf(row, question.groupBy));
  return [...new Set([...points.keys(), ...corrections.keys()])].sort().map((group) => {
    // Made by groupOf: the meter, then what it is of.
    const [name, ...of] = JSON.parse(group) as [MeterName, ...string[]];
    const { aggregation } = meterOf(name);
    const none = () => seriesOf([], { aggregation, bounds: question.bounds, now: question.now });
    return {
      meter: name,
      of: Object.fromEntries(question.groupBy.map((dimension, at) => [dimension, of[at] ?? ''])),
      ...(points.get(group) ?? none()),
      corrections: (corrections.get(group) ?? []).map((row) => ({
        bucket: Number(row.b) - 1,
        readings: Number(row.readings),
        value: correctedBy(aggregation, row),
      })),
    };
  });
}

/** What would have to be added; where readings are not added up, nothing can be said of it. */
function correctedBy(aggregation: Aggregation, { value }: Row): number | null {
  return ['sum', 'count'].includes(aggregation) ? Number(value) : null;
}

function takenUntil(waiting: Row[] | undefined, { now }: UsageQuestion): Date {
  const oldest = waiting?.[0]?.at;
  return oldest === undefined || oldest === null ? new Date(now) : new Date(String(oldest));
}
