import type { Aggregation, MeterName } from '../../policies/meters.ts';
import type { Piece } from '../../policies/usage-points.ts';
import type { Row, Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Visible } from '../visible.ts';
import { columnOf, type Grouping, type PartsAsked, piecesSql, type UsageFilter } from './usage-parts.ts';

/** What the meter is asked, and how its rows are named: by meter and by what they are broken down by. */
export type UsageQuestion = {
  meters: readonly MeterName[];
  groupBy: readonly Grouping[];
  filter: UsageFilter;
  /** Milliseconds: the beginning of each bucket, and the end of the last. */
  bounds: readonly number[];
  visible: Visible;
  now: number;
};

/** More rows than this are no answer that anybody reads, and would hold a connection up. */
export const piecesMax = 50_000;

type Of = { tenantId: string; question: UsageQuestion };

function partsAsked(
  { tenantId, question }: Of,
  aggregation: Aggregation,
  meters: readonly MeterName[],
): PartsAsked {
  const { bounds, filter, visible, groupBy } = question;
  return { tenantId, meters, aggregation, filter, bounds, visible, byRun: groupBy.includes('runId') };
}

export function piecesStatement(
  of: Of,
  { aggregation, meters }: { aggregation: Aggregation; meters: readonly MeterName[] },
): Statement {
  const { text, values, slot } = piecesSql(partsAsked(of, aggregation, meters));
  const keys = ['meter', ...of.question.groupBy.map(columnOf)].join(', ');
  const most = slot(piecesMax + 1);
  const select =
    aggregation === 'last'
      ? `SELECT DISTINCT ON (id, b) ${keys}, id, b, v AS value FROM p ORDER BY id, b, last_at DESC`
      : `SELECT ${keys}, b, ${totalOf[aggregation]} FROM p GROUP BY ${keys}, b`;
  return { text: `${text} ${select} LIMIT ${most}`, values };
}

const totalOf: Record<Exclude<Aggregation, 'last'>, string> = {
  sum: 'sum(v) AS value',
  count: 'sum(v) AS value',
  max: 'max(v) AS value',
  unique: 'count(DISTINCT member) AS value',
  'time-weighted': 'sum(v) AS value, sum(area) AS area',
};

/** Readings that came later than sums may still change. */
export function correctionsStatement(of: Of): Statement {
  const { question } = of;
  const { text, values } = piecesSql({ ...partsAsked(of, 'sum', question.meters), corrections: true });
  const keys = ['meter', ...question.groupBy.map(columnOf)].join(', ');
  return {
    text: `${text} SELECT ${keys}, b, count(*) AS readings, sum(v) AS value FROM p GROUP BY ${keys}, b LIMIT ${piecesMax + 1}`,
    values,
  };
}

/** The oldest act that is not in the meter yet, if one is not. */
export function waitingStatement(tenantId: string): Statement {
  return {
    text: `SELECT event ->> 'at' AS at FROM ${schemaOf(tenantId)}.usage_outbox ORDER BY seq LIMIT 1`,
    values: [],
  };
}

export function pieceOf(row: Row, { groupBy }: UsageQuestion): Piece {
  return {
    group: groupOf(row, groupBy),
    bucket: Number(row.b),
    value: Number(row.value),
    ...(row.id !== undefined && { series: Number(row.id) }),
    ...(row.area !== undefined && { area: Number(row.area) }),
  };
}

export const groupOf = (row: Row, groupBy: readonly Grouping[]): string =>
  JSON.stringify([row.meter, ...groupBy.map((name) => row[columnOf(name)])]);
