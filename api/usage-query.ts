import { z } from 'zod';
import type { Place } from '../models/scope.ts';
import { settingsOf } from '../models/tenant/settings.ts';
import { type Grouping, oldestNeeded, type UsageFilter } from '../models/tenant/usage-parts.ts';
import { piecesMax } from '../models/tenant/usage-statements.ts';
import { zoneOf } from '../policies/cron.ts';
import { type MeterName, meterNames, meterOf } from '../policies/meters.ts';
import { type Fault, Refusal } from '../policies/refusal.ts';
import { type BucketSize, bucketBounds, bucketSizes, dayFrom, momentIn } from '../policies/usage-buckets.ts';
import { id } from './shapes.ts';

/** What is asked of the meter, as it stands in an address; and what is wrong with it, said at once. */
const groupings = {
  agent: 'agentId',
  workflow: 'workflowId',
  run: 'runId',
  user: 'userId',
  key: 'keyId',
  model: 'model',
  kind: 'kind',
} as const satisfies Record<string, Grouping>;
type GroupWord = keyof typeof groupings;
// Object.keys forgets the key type; the object above is closed, so the cast only restores it.
const groupWords = Object.keys(groupings) as [GroupWord, ...GroupWord[]];

/** Words of a list, separated by commas. */
export const wordsOf = <T extends string>(words: readonly [T, ...T[]], about: string) =>
  z
    .string()
    .refine((text) => listed(text).every((word) => words.some((each) => each === word)), {
      error: `must be one or more of ${words.join(', ')}, separated by commas`,
    })
    .optional()
    .meta({ description: `${about}, separated by commas: ${words.join(', ')}.` });
const listed = (text: string): string[] => text.split(',').map((word) => word.trim());
/** What the shape has been asked about already. */
const wordsIn = <T extends string>(text: string | undefined, words: readonly T[]): T[] =>
  text === undefined ? [] : words.filter((word) => listed(text).includes(word));

const when = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/, {
    error: 'must be a day such as 2026-11-01, or a moment such as 2026-11-01T09:00:00Z',
  })
  .optional();

export const periodQuery = {
  from: when.meta({
    description: 'A moment, or a day of the zone. Default: the beginning of the 30th day before.',
  }),
  until: when.meta({ description: 'Not included. Default: now.' }),
  zone: z
    .string()
    .refine(
      (name) => zoneOf(name) !== undefined,
      'must be the name of a time zone, such as Europe/Berlin or UTC',
    )
    .default('UTC'),
};

export const meterWords = wordsOf(meterNames, 'Meters; all, if none is named');
export function metersIn(text: string | undefined): MeterName[] {
  const named = wordsIn(text, meterNames);
  return named.length > 0 ? named : [...meterNames];
}

export const seriesQuery = {
  meter: meterWords,
  bucket: z.enum(bucketSizes).default('day'),
  ...periodQuery,
};

const text = z.string().min(1).max(200).optional();
export const usageQuery = z.strictObject({
  ...seriesQuery,
  groupBy: wordsOf(groupWords, 'What to break it down by'),
  agentId: id('agt').optional(),
  workflowId: id('wfl').optional(),
  runId: id('run').optional(),
  userId: id('usr').optional(),
  keyId: id('key').optional(),
  model: text,
  kind: text,
});

export type Period = { from: number; until: number; zone: string; now: number };

const defaultDays = 30;
const aheadMs = 366 * 86_400_000;
// Nothing was metered then, and before the year 1 the database and JavaScript write dates differently.
export const earliest = '1970-01-01';

export function periodOf(query: {
  from?: string | undefined;
  until?: string | undefined;
  zone: string;
}): Period {
  const now = Date.now();
  const zone = zoneOf(query.zone) ?? 'UTC'; // the shape has asked whether there is one
  const until = query.until === undefined ? now : momentIn(query.until, zone);
  const from =
    query.from === undefined
      ? dayFrom(until ?? now, zone, { days: -defaultDays })
      : momentIn(query.from, zone);
  const no = (name: string, detail: string): Fault => ({ pointer: `?${name}`, code: 'period', detail });
  const none = 'is no such day or moment';
  const tooEarly = `must not lie before ${earliest}`;
  const errors = [
    ...(from === undefined ? [no('from', none)] : []),
    ...(until === undefined ? [no('until', none)] : []),
    ...(until !== undefined && until > now + aheadMs ? [no('until', 'must be within a year from now')] : []),
    ...(from !== undefined && from < Date.parse(earliest) ? [no('from', tooEarly)] : []),
    ...(from !== undefined && until !== undefined && from >= until
      ? [no('from', 'must lie before until')]
      : []),
  ];
  if (errors.length > 0 || from === undefined || until === undefined)
    throw new Refusal('invalid-request', 'There is no such time to look at.', { errors });
  // One known by several names is answered by the one that was asked for.
  const asked = zone.toLowerCase() === query.zone.toLowerCase() ? zone : query.zone;
  return { from, until, zone: asked, now };
}

const bucketsMax = 10_000;

export function boundsOf(period: Period, bucket: BucketSize): number[] {
  const bounds = bucketBounds({ ...period, bucket }, bucketsMax);
  if (bounds) return bounds;
  throw tooMuch(`This time has more than ${bucketsMax} buckets of one ${bucket}.`);
}

const tooMuch = (because: string): Refusal => {
  const detail = `${because} Ask for a shorter time, longer buckets, fewer meters, or less to break it down by.`;
  const errors = [{ pointer: '?bucket', code: 'too-much', detail }];
  return new Refusal('invalid-request', detail, { errors });
};
export const tooManyPoints = (): Refusal =>
  tooMuch(`This would be more than ${piecesMax} points, which is the most there are in one answer.`);

export type UsageAsked = {
  period: Period;
  bucket: BucketSize;
  meters: MeterName[];
  groupBy: Grouping[];
  filter: UsageFilter;
  bounds: readonly number[];
};

export function usageAsked(query: z.output<typeof usageQuery>): UsageAsked {
  const { meter, groupBy: by, bucket, from, until, zone, ...filter } = query;
  const groupBy = wordsIn(by, groupWords).map((word) => groupings[word]);
  const period = periodOf({ from, until, zone });
  const byRun = groupBy.includes('runId') || filter.runId !== undefined;
  const asked = wordsIn(meter, meterNames);
  const meters = asked.length > 0 ? asked : meterNames.filter((name) => !byRun || addsUp(name));
  const apart = byRun ? meters.filter((name) => !addsUp(name)) : [];
  if (apart.length > 0) {
    const detail = `cannot be told apart by run: ${apart.join(', ')}; ask without runs, or for other meters`;
    const errors = [{ pointer: '?meter', code: 'by-run', detail }];
    throw new Refusal('invalid-request', 'Runs use what adds up; levels are of the whole.', { errors });
  }
  return { period, bucket, meters, groupBy, filter, bounds: boundsOf(period, bucket) };
}

type Needed = Pick<UsageAsked, 'meters' | 'bounds' | 'groupBy' | 'filter'> & { now: number };

/** Sums are kept for ever, the readings they are made of are not: the meters of which none are needed that are gone. */
export async function keptOf(place: Place, { meters, bounds, groupBy, filter, now }: Needed) {
  const byRun = groupBy.includes('runId');
  const days = (await settingsOf(place)).get('retention.usageDays');
  const oldest = days === null ? Number.NEGATIVE_INFINITY : now - days * 86_400_000;
  const kept = meters.filter((name) => {
    const { aggregation } = meterOf(name);
    return (oldestNeeded({ bounds, aggregation, byRun, filter }) ?? now) >= oldest;
  });
  return { kept, days };
}

/** What is gone is refused rather than guessed. */
export async function refuseForgotten(place: Place, needed: Needed): Promise<void> {
  const { kept, days } = await keptOf(place, needed);
  if (kept.length === needed.meters.length) return;
  const detail = `needs single readings, which are kept for ${days} days (retention.usageDays): ask for a later time, or, without runs and people, for a zone and times of whole hours`;
  const errors = [{ pointer: '?from', code: 'forgotten', detail }];
  throw new Refusal('invalid-request', 'The readings of that time are not kept any more.', { errors });
}

const addsUp = (name: MeterName): boolean => ['sum', 'count'].includes(meterOf(name).aggregation);
