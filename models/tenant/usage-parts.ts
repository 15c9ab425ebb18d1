import type { Aggregation, Dimension, MeterName } from '../../policies/meters.ts';
import { type Parts, partsOf, type Span } from '../../policies/usage-buckets.ts';
import type { Statement } from '../batch.ts';
import { schemaOf } from '../ids.ts';
import type { Visible } from '../visible.ts';

/**
 * What the meter holds of some meters in some buckets, as rows of two names for the statement that goes on: `s` are the
 * series that may be seen and are asked for, `p` their pieces, each in its bucket `b`. Whole days and hours come from the
 * roll-ups, the rest from single readings (policies/usage-buckets.ts), and together they are each reading once.
 */
const columns = {
  agentId: 'agent_id',
  workflowId: 'workflow_id',
  userId: 'user_id',
  keyId: 'key_id',
  model: 'model',
  kind: 'kind',
} as const satisfies Record<Dimension, string>;
export type Grouping = Dimension | 'runId';
export type UsageFilter = { [Name in Grouping]?: string | undefined };
export const columnOf = (name: Grouping): string => (name === 'runId' ? 'run_id' : columns[name]);

export type PartsAsked = {
  tenantId: string;
  /** All of one aggregation. */
  meters: readonly MeterName[];
  aggregation: Aggregation;
  filter: UsageFilter;
  bounds: readonly number[];
  /** Whether runs are told apart: single readings know theirs, sums do not. */
  byRun: boolean;
  visible: Visible;
  /** Of the readings that came too late, instead of those that count. */
  corrections?: true;
};

type Ranged = Pick<PartsAsked, 'bounds' | 'aggregation' | 'byRun' | 'filter' | 'corrections'>;
type Slot = (value: string | number) => string;
export type Pieces = { text: string; values: Statement['values']; slot: Slot };

export function piecesSql(asked: PartsAsked): Pieces {
  const values: Statement['values'] = [];
  const slot: Slot = (value) => `$${values.push(value)}`;
  const schema = schemaOf(asked.tenantId);
  const series = seriesSql(schema, asked, { values, slot });
  const bounds = `${slot(`{${asked.bounds.map(moment).join(',')}}`)}::timestamptz[]`;
  const parts = rangesOf(asked);
  const branches = (['days', 'hours', 'events'] as const)
    .filter((tier) => parts[tier].length > 0)
    .map((tier) => branchSql({ schema, tier, bounds, asked, spans: parts[tier], slot }));
  const text = `WITH s AS MATERIALIZED (${series}), p AS (${branches.join(' UNION ALL ')})`;
  return { text, values, slot };
}

/** Those that rules let be seen: a reading belongs to who made it, and has the tags and environment of its agent. */
function seriesSql(schema: string, asked: PartsAsked, { values, slot }: Omit<Pieces, 'text'>): string {
  const { runId: _, ...filter } = asked.filter;
  const wanted = Object.entries(filter).flatMap(([name, value]) =>
    // The keys are the dimensions; Object.entries forgets that.
    value === undefined ? [] : [`${columns[name as Dimension]} = ${slot(value)}`],
  );
  const meters = `meter = ANY (${slot(`{${asked.meters.join(',')}}`)}::text[])`;
  const may = asked.visible(values.length + 1);
  values.push(...may.values);
  const facts = `SELECT u.*, coalesce(nullif(user_id, ''), nullif(key_id, '')) AS owner_id,
      coalesce(a.tags, '{}') AS tags, coalesce(a.environment, '') AS environment
    FROM ${schema}.usage_series u LEFT JOIN ${schema}.agents a ON a.id = u.agent_id`;
  const from = may.values.length === 0 ? `${schema}.usage_series` : `(${facts}) known`;
  return `SELECT id, meter, ${Object.values(columns).join(', ')} FROM ${from}
    WHERE ${[meters, ...wanted, `(${may.text})`].join(' AND ')}`;
}

type Tier = keyof Parts;

/** What levels and last readings begin with is in what was before, as far back as there is anything. */
function rangesOf({ bounds, aggregation, byRun, filter, corrections }: Ranged): Parts {
  const parts = partsOf(bounds);
  const [from = 0, until = from] = [bounds[0], bounds.at(-1)];
  if (byRun || filter.runId !== undefined || corrections)
    return { days: [], hours: [], events: [{ from, until }] };
  // Members are kept by the day; of hours only the readings know them.
  if (aggregation === 'unique')
    return { days: parts.days, hours: [], events: [...parts.hours, ...parts.events] };
  if (aggregation !== 'last' && aggregation !== 'time-weighted') return parts;
  const [day, hour] = [86_400_000, 3_600_000].map((unit) => Math.floor(from / unit) * unit) as [
    number,
    number,
  ];
  const before = (start: number, end: number): Span[] => (start < end ? [{ from: start, until: end }] : []);
  return {
    days: [...before(Number.NEGATIVE_INFINITY, day), ...parts.days],
    hours: [...before(day, hour), ...parts.hours],
    events: [...before(hour, from), ...parts.events],
  };
}

/** The oldest single reading or member it needs, which are not kept for ever as sums are; undefined if it needs none. */
export function oldestNeeded(asked: Ranged): number | undefined {
  if (asked.aggregation === 'unique') return asked.bounds[0];
  const { events } = rangesOf(asked);
  return events.length > 0 ? Math.min(...events.map(({ from }) => from)) : undefined;
}

const tables = {
  days: {
    name: 'usage_days',
    column: 'day',
    type: 'date',
    at: "t.day::timestamp AT TIME ZONE 'UTC'",
    length: '1 day',
  },
  hours: { name: 'usage_hours', column: 'hour', type: 'timestamptz', at: 't.hour', length: '1 hour' },
  events: { name: 'usage_events', column: 'at', type: 'timestamptz', at: 't.at', length: '0' },
} as const;

type Branch = { schema: string; tier: Tier; bounds: string; asked: PartsAsked; spans: Span[]; slot: Slot };

function branchSql(branch: Branch): string {
  const { tier, spans, slot } = branch;
  const ends = (['from', 'until'] as const).map(
    (end) => `${slot(`{${spans.map((span) => moment(span[end])).join(',')}}`)}::${tables[tier].type}[]`,
  );
  const span = `unnest(${ends.join(', ')}) AS span(f, u)`;
  return tier === 'events' ? readingsSql(branch, span) : sumsSql(branch, span);
}

/** Readings are found by their time: there is no index by series on what grows fastest. */
function readingsSql({ schema, bounds, asked, slot }: Branch, span: string): string {
  const { byRun, filter, aggregation } = asked;
  const run = filter.runId === undefined ? '' : ` AND t.run_id = ${slot(filter.runId)}`;
  return `SELECT s.*, ${byRun ? "coalesce(t.run_id, '') AS run_id, " : ''}placed.b, ${picked(aggregation, 'events', bounds)}
    FROM ${span} JOIN ${schema}.${nameOf('events', asked)} t ON t.at >= span.f AND t.at < span.u${run}
    JOIN s ON s.id = t.series
    CROSS JOIN LATERAL (SELECT width_bucket(t.at, ${bounds}) AS b) placed`;
}

/**
 * Sums are found by their series, and those of one bucket added up, before anything is joined to them. Left to itself the
 * planner reads all series of the time and throws most away: a report over 400 days of 800 series took three times as long.
 */
function sumsSql({ schema, tier, bounds, asked }: Branch, span: string): string {
  const { column, at } = tables[tier];
  const added = asked.aggregation !== 'last' && asked.aggregation !== 'unique';
  const pick = picked(asked.aggregation, tier, bounds);
  return `SELECT s.*, piece.* FROM s CROSS JOIN ${span} CROSS JOIN LATERAL (
      SELECT placed.b, ${pick} FROM ${schema}.${nameOf(tier, asked)} t
        CROSS JOIN LATERAL (SELECT width_bucket(${at}, ${bounds}) AS b) placed
      WHERE t.series = s.id AND t.${column} >= span.f AND t.${column} < span.u ${added ? 'GROUP BY placed.b' : 'OFFSET 0'}) piece`;
}

function nameOf(tier: Tier, { aggregation, corrections }: PartsAsked): string {
  if (corrections) return 'usage_corrections';
  return aggregation === 'unique' && tier === 'days' ? 'usage_members' : tables[tier].name;
}

function picked(aggregation: Aggregation, tier: Tier, bounds: string): string {
  const raw = tier === 'events';
  const { at, length } = tables[tier];
  const added = (value: string, by = 'sum') => (raw ? value : `${by}(${value})`);
  switch (aggregation) {
    case 'max':
      return `${added(raw ? 't.value' : 't.peak', 'max')} AS v`;
    case 'last':
      return raw ? 't.value AS v, t.at AS last_at' : 't.last AS v, t.last_at';
    case 'unique':
      return 't.member';
    case 'time-weighted': {
      const left = `extract(epoch FROM (${bounds})[placed.b + 1] - (${at}) - interval '${length}')`;
      return `${added('t.value')} AS v, ${added(`${raw ? '0' : 't.weighted'} + t.value * ${left}`)} AS area`;
    }
    // What is counted is one each time, or as many as whoever reports them says they were.
    case 'count':
    case 'sum':
      return `${added('t.value')} AS v`;
  }
}

/** As Postgres reads it; a date of UTC where a date is wanted. */
function moment(at: number): string {
  return at === Number.NEGATIVE_INFINITY ? '-infinity' : new Date(at).toISOString();
}
