import { meterOf } from './meters.ts';
import { type Limited, metersOf, type QuotaOrigin, type QuotaScope, type QuotaWindow } from './quotas.ts';

/**
 * What happens near a limit and over it. A ladder is a list of rungs: at so much percent of a limit, a measure holds.
 * Which measures hold follows from how limits stand, and from nothing that was done before: a measure begins when its
 * rung is reached and ends by itself when the standing falls below it, be it that the window turned or the limit was
 * raised. From mildest to hardest: see `measures`.
 */
export const measures = ['warn', 'slow', 'cheaper-model', 'queue', 'refuse', 'stop'] as const;
export type Measure = (typeof measures)[number];
export const hardestFirst = (one: { measure: Measure }, other: { measure: Measure }): number =>
  measures.indexOf(other.measure) - measures.indexOf(one.measure);

/** Instead of models that a pattern names (`*` stands for anything) another one, of the same provider or a named one. */
export type Cheaper = { from: string; to: string; providerId?: string | undefined };

/** Which limits a rung is about: every limit it can relieve, those of one kind, or one by its id. */
export type Rung = { at: number; quota: string } & (
  | { measure: 'warn' | 'queue' | 'refuse' | 'stop' }
  | { measure: 'slow'; factor: number }
  | { measure: 'cheaper-model'; models: Cheaper[] }
);
export const kindsOfLimits = ['any', 'hard', 'soft'] as const;

export const defaultLadder: readonly Rung[] = [
  { at: 80, quota: 'any', measure: 'warn' },
  { at: 95, quota: 'hard', measure: 'slow', factor: 0.5 },
  { at: 100, quota: 'hard', measure: 'refuse' },
];

/** How much of a limit is used just now. */
export type Standing = {
  quotaId: string;
  meter: Limited;
  window: QuotaWindow;
  /** Of rolling windows. */
  windowMinutes: number | null;
  scope: QuotaScope;
  scopeId: string;
  origin: QuotaOrigin;
  hard: boolean;
  limit: number;
  used: number;
  /** Of calendar windows: what falls below the rung at the end of it is a new standing. */
  windowStart: Date | null;
  windowEnd: Date | null;
};

/** A measure that should hold now. Its key is the same for as long as it is about the same rung of the same window. */
export type Due = {
  key: string;
  rung: Rung;
  /** Whose rule it is: the organisation's own, or one that only operators can lift. */
  madeBy: 'platform' | 'tenant';
  standing: Standing;
};

const work: readonly Measure[] = ['slow', 'queue', 'refuse', 'stop'];
/** What would use less of a meter. Whatever is not named here, a ladder can only warn of. */
const relieving: Partial<Record<Limited, readonly Measure[]>> = {
  tokens: [...work, 'cheaper-model'],
  'tokens.input': [...work, 'cheaper-model'],
  'tokens.output': [...work, 'cheaper-model'],
  'tokens.cached': [...work, 'cheaper-model'],
  'tokens.reasoning': [...work, 'cheaper-model'],
  runs: ['slow', 'queue', 'refuse'],
  steps: work,
  'tool-calls': work,
  'compute.worker-seconds': work,
  'compute.database-seconds': work,
  'egress.bytes': work,
  'api-calls': ['slow', 'refuse'],
  'storage.bytes': ['refuse'],
};

export const relieves = (measure: Measure, meter: Limited): boolean =>
  measure === 'warn' || (relieving[meter] ?? []).includes(measure);

export const measuresOf = (meter: Limited): Measure[] => measures.filter((each) => relieves(each, meter));

/** What is over within minutes the ledger keeps by itself; measures that come and go as fast would only confuse. */
const shortestMinutes = 60;
const lasts = ({ window, windowMinutes }: Standing): boolean =>
  window === 'rolling' ? (windowMinutes ?? 0) >= shortestMinutes : !['minute', 'concurrent'].includes(window);

function isAbout({ quota, measure }: Rung, standing: Standing): boolean {
  const { quotaId, hard, meter, scope } = standing;
  // A run's own limits end that run; there is nothing else to restrict.
  if (scope === 'run' || !relieves(measure, meter)) return false;
  if (quota === quotaId) return true;
  if (quota === 'any') return lasts(standing);
  return (quota === 'hard') === hard && (quota === 'hard' || quota === 'soft') && lasts(standing);
}

/**
 * Below a rung by so much of it, its measure ends: usage that goes up and down at the rung does not begin and end it
 * each time.
 */
const slack = 0.02;

/** A limit of nothing is always reached. */
const percentOf = ({ used, limit }: Standing): number =>
  limit === 0 ? Number.POSITIVE_INFINITY : (used / limit) * 100;

/** Whether anything may begin or end when so much of a limit comes to be used; asked of every act that uses something. */
export function passesRung(
  ladder: readonly Rung[],
  { amount, before, after }: { amount: number; before: number; after: number },
): boolean {
  if (amount === 0) return before !== after;
  const edges = [...ladder.map(({ at }) => at), refusal.at].flatMap((at) => [at, at * (1 - slack)]);
  const isOver = (used: number, edge: number) => (used / amount) * 100 >= edge;
  return edges.some((edge) => isOver(before, edge) !== isOver(after, edge));
}

/** `known`: keys of what holds by now, which ends a little later than it began. */
export function measuresFor(
  ladder: readonly Rung[],
  standings: readonly Standing[],
  known: ReadonlySet<string> = new Set(),
): Due[] {
  return standings.flatMap((standing) => {
    const percent = percentOf(standing);
    return ladder.flatMap((rung): Due[] => {
      // Asked of every rung of every limit, so what costs least comes first.
      if (percent < rung.at * (1 - slack) || !isAbout(rung, standing)) return [];
      const key = keyOf(rung, standing);
      if (percent < rung.at * (known.has(key) ? 1 - slack : 1)) return [];
      return [{ key, rung, standing, madeBy: 'tenant' }];
    });
  });
}

/** A rung that says something else than before is another one. */
function keyOf(rung: Rung, { quotaId, scopeId, windowStart }: Standing): string {
  const { at, quota, measure } = rung;
  const more =
    rung.measure === 'slow'
      ? [rung.factor]
      : rung.measure === 'cheaper-model'
        ? rung.models.flatMap(({ from, to, providerId = '' }) => [from, to, providerId])
        : [];
  return [quotaId, scopeId, windowStart?.toISOString() ?? '', at, quota, measure, ...more].join(' ');
}

const isReserved = (limited: Limited): boolean =>
  metersOf(limited).every((meter) => meterOf(meter).enforcement === 'before');

/** What is known only once it was used cannot be reserved before: a hard limit on it holds by refusing what comes next. */
const refusal: Rung = { at: 100, quota: 'hard', measure: 'refuse' };

/** What holds whatever the organisation's ladder says, on hard limits that nothing else enforces. */
function measuresAnyway(standings: readonly Standing[], known?: ReadonlySet<string>): Due[] {
  const unguarded = standings.filter(({ meter }) => !isReserved(meter));
  return measuresFor([refusal], unguarded, known).map((due) => ({
    ...due,
    madeBy: due.standing.origin === 'tenant' ? 'tenant' : 'platform',
  }));
}

/**
 * Each is begun, told and asked about by itself, so there are no more than this: what operators alone can lift before all
 * else, then the hardest. What is left out are warnings, unless a thousand agents or keys are over limits of their own.
 */
export const measuresMax = 1_000;

const weightOf = ({ madeBy, rung }: Due): number =>
  madeBy === 'platform' ? measures.length : measures.indexOf(rung.measure);

/** All that should hold: of two that are the same, the one that fewer people can lift. */
export function allMeasures(
  ladder: readonly Rung[],
  standings: readonly Standing[],
  known?: ReadonlySet<string>,
): Due[] {
  const anyway = measuresAnyway(standings, known);
  const keys = new Set(anyway.map(({ key }) => key));
  const all = [...anyway, ...measuresFor(ladder, standings, known).filter(({ key }) => !keys.has(key))];
  if (all.length <= measuresMax) return all;
  return all.toSorted((one, other) => weightOf(other) - weightOf(one)).slice(0, measuresMax);
}
