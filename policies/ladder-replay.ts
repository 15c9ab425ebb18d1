import { type MeterName, meterOf } from './meters.ts';
import { metersOf } from './quotas.ts';
import { allMeasures, type Due, type Rung, type Standing } from './usage-ladder.ts';

/**
 * What a ladder would have done: the organisation's own hours, gone through as the watch would have at the end of each,
 * with the same rule. Traffic is taken as it was: that a measure would have made it less is not guessed. Within an hour
 * nothing is known, so what began in one counts from its end.
 */
export type Hour = {
  hour: Date;
  meter: MeterName;
  /** Empty where nothing is limited by agent or key. */
  agentId: string;
  keyId: string;
  value: number;
  last: number;
};

/** A limit as it is today, for everybody, one agent or one key. */
export type ReplayedLimit = Omit<Standing, 'used' | 'windowStart' | 'windowEnd'>;
type Window = { start: Date | null; end: Date | null };

export type Replaying = {
  ladder: readonly Rung[];
  limits: readonly ReplayedLimit[];
  hours: readonly Hour[];
  /** The first hour that is gone through; what was before it, is counted. */
  from: Date;
  until: Date;
  windowOf: (limit: ReplayedLimit, at: Date) => Window;
  /** So many are told; of those that would have begun later, how many they were. */
  episodesMax: number;
};

type Affected = { count: number; share: number };
export type Episode = {
  rung: Rung;
  madeBy: Due['madeBy'];
  limit: ReplayedLimit;
  used: number;
  from: Date;
  /** Null: it would still hold. */
  until: Date | null;
  runs: Affected;
  requests: Affected;
};

const hourMs = 3_600_000;

export type Replayed = { episodes: Episode[]; further: number };

/** Hour by hour, and before each others may have their turn: months of many limits take seconds. */
export function* replay(replaying: Replaying): Generator<undefined, Replayed> {
  const { ladder, hours, from, until, episodesMax } = replaying;
  const tellers = yield* tellersOf(replaying);
  yield;
  const traffic = trafficOf(hours, from);
  // Those that are not told are open as well, with nothing about them.
  const open = new Map<string, Omit<Episode, 'runs' | 'requests' | 'until'> | undefined>();
  const told: Replayed = { episodes: [], further: 0 };
  let room = episodesMax;
  const close = (key: string, at: Date | null) => {
    const begun = open.get(key);
    open.delete(key);
    const within = at === null || at > from;
    if (begun && within) told.episodes.push({ ...begun, until: at, ...traffic(begun, at ?? until) });
    else if (begun) room += 1;
    else if (within) told.further += 1;
  };
  const first = hours.reduce((least, { hour }) => Math.min(least, hour.getTime()), from.getTime());
  for (let at = first + hourMs; at <= until.getTime(); at += hourMs) {
    yield;
    const now = new Date(at);
    const standings = tellers.map((standingAt) => standingAt(now));
    const due = allMeasures(ladder, standings, new Set(open.keys()));
    const keys = new Set(due.map(({ key }) => key));
    for (const key of [...open.keys()]) if (!keys.has(key)) close(key, now);
    for (const { key, rung, madeBy, standing } of due) {
      if (open.has(key)) continue;
      const { used } = standing;
      open.set(key, room > 0 ? { rung, madeBy, limit: limitIn(standing), used, from: now } : undefined);
      if (room > 0) room -= 1;
    }
  }
  for (const key of [...open.keys()]) close(key, null);
  told.episodes.sort((one, other) => one.from.getTime() - other.from.getTime());
  return told;
}

function limitIn({ used: _, windowStart: __, windowEnd: ___, ...limit }: Standing): ReplayedLimit {
  return limit;
}

type Teller = (at: Date) => Standing;

function* tellersOf({ limits, hours, windowOf }: Replaying): Generator<undefined, Teller[]> {
  const byAgent = Map.groupBy(hours, ({ agentId }) => agentId);
  const byKey = Map.groupBy(hours, ({ keyId }) => keyId);
  const tellers: Teller[] = [];
  for (const limit of limits) {
    yield;
    const { scope, scopeId } = limit;
    const own = scope === 'tenant' ? hours : (scope === 'agent' ? byAgent : byKey).get(scopeId);
    tellers.push(standingTeller(limit, own ?? [], windowOf));
  }
  return tellers;
}

/** Asked hour by hour, in order: keeps what it has counted. */
function standingTeller(
  limit: ReplayedLimit,
  hours: readonly Hour[],
  windowOf: Replaying['windowOf'],
): Teller {
  const meters = metersOf(limit.meter);
  const own = hours
    .filter((each) => meters.includes(each.meter))
    .sort((one, other) => one.hour.getTime() - other.hour.getTime());
  if (limit.window === 'level' || own.some(({ meter }) => meterOf(meter).aggregation === 'last'))
    return levelTeller(limit, own);
  let next = 0;
  let counted: Hour[] = [];
  let used = 0;
  return (at) => {
    const { start, end } = windowOf(limit, at);
    for (; ; next += 1) {
      const hour = own[next];
      if (!hour || hour.hour >= at) break;
      counted.push(hour);
      used += hour.value;
    }
    const since = start ?? new Date(at.getTime() - (limit.windowMinutes ?? 0) * 60_000);
    const kept = counted.filter(({ hour }) => hour >= since);
    if (kept.length < counted.length) used = kept.reduce((sum, { value }) => sum + value, 0);
    counted = kept;
    return { ...limit, used, windowStart: start, windowEnd: end };
  };
}

/** A level stays as it was until it is measured again; of several kinds, together. */
function levelTeller(limit: ReplayedLimit, own: Hour[]): Teller {
  let next = 0;
  let used = 0;
  return (at) => {
    for (; ; next += 1) {
      const hour = own[next];
      if (!hour || hour.hour >= at) break;
      used = hour.last;
    }
    return { ...limit, used, windowStart: null, windowEnd: null };
  };
}

type Begun = Pick<Episode, 'rung' | 'limit' | 'from'>;

/** Of all runs and requests from then on, those for which the measure would have held. */
function trafficOf(hours: readonly Hour[], since: Date) {
  const known = hours.filter(({ hour }) => hour >= since);
  const of = (meter: MeterName) => {
    const own = known.filter((each) => each.meter === meter);
    const all = sumsOf(own);
    const [byAgent, byKey] = [sumsBy(own, ({ agentId }) => agentId), sumsBy(own, ({ keyId }) => keyId)];
    return (touched: boolean, { limit: { scope, scopeId }, from }: Begun, until: Date): Affected => {
      const sums = scope === 'tenant' ? all : (scope === 'agent' ? byAgent : byKey).get(scopeId);
      const count = touched && sums ? sums(until) - sums(from) : 0;
      return { count, share: count === 0 ? 0 : count / all(null) };
    };
  };
  const [runs, requests] = [of('runs'), of('api-calls')];
  return (begun: Begun, until: Date) => {
    const { rung, limit } = begun;
    const { measure } = rung;
    const slows = measure === 'slow' || (measure === 'refuse' && limit.meter === 'api-calls');
    return { runs: runs(measure !== 'warn', begun, until), requests: requests(slows, begun, until) };
  };
}

/** How much there was before a moment, or in all. */
type Sums = (before: Date | null) => number;

const sumsBy = (hours: readonly Hour[], idOf: (hour: Hour) => string): Map<string, Sums> =>
  new Map([...Map.groupBy(hours, idOf)].map(([id, own]) => [id, sumsOf(own)]));

function sumsOf(hours: readonly Hour[]): Sums {
  const sorted = [...hours].sort((one, other) => one.hour.getTime() - other.hour.getTime());
  const sums = [0];
  for (const { value } of sorted) sums.push((sums.at(-1) ?? 0) + value);
  return (before) => {
    if (before === null) return sums.at(-1) ?? 0;
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle]?.hour ?? before) < before) low = middle + 1;
      else high = middle;
    }
    return sums[low] ?? 0;
  };
}
