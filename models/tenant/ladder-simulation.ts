import { type Episode, type Hour, type ReplayedLimit, replay } from '../../policies/ladder-replay.ts';
import { type MeterName, meterNames, meterOf } from '../../policies/meters.ts';
import { windowOf } from '../../policies/quota-window.ts';
import { effectiveAmount, metersOf, type QuotaRule } from '../../policies/quotas.ts';
import type { Rung } from '../../policies/usage-ladder.ts';
import type { Row } from '../batch.ts';
import { inTurns } from '../in-turns.ts';
import type { Sql } from '../scope.ts';
import { ruleList, ruleOf } from './quota.ts';
import { asHour, hoursStatement } from './usage-hours.ts';

/**
 * What a ladder would have done in the last days, by the organisation's own hours and by its limits as they are today.
 * Reads and changes nothing.
 */
export type Simulation = {
  from: Date;
  until: Date;
  episodes: (Episode & { rule: QuotaRule })[];
  /** How many more there were. */
  further: number;
  /** Limits that hours say nothing about, and why. */
  left: { quotaId: string; why: string }[];
};

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const days = 30;
// The longest window is 31 days; of what it held at the beginning, nothing is missed.
const daysBefore = 32;
// Of agents or keys that limits hold for one by one: those that used most, of each limit and of all of them together.
const scopesMax = 100;
// Together with the rungs of the ladder: a thousand of them take two seconds or three.
const rungsMaxInAll = 1_000;
const episodesMax = 1_000;
// A gigabyte of hours would be no answer either; some hundred agents with a month of every meter have as many.
const hoursMax = 100_000;

export async function simulate(
  sql: Sql,
  { tenantId, ladder, now }: { tenantId: string; ladder: readonly Rung[]; now: Date },
): Promise<Simulation> {
  const until = new Date(Math.floor(now.getTime() / hourMs) * hourMs);
  const from = new Date(until.getTime() - days * dayMs);
  const { text } = ruleList(tenantId);
  const rules = (await sql<Row>(text)).map(ruleOf);
  const left = rules.flatMap((rule) => {
    const why = whyNot(rule);
    return why ? [{ quotaId: rule.id, why }] : [];
  });
  const known = rules.filter((rule) => whyNot(rule) === undefined);
  const begun = new Date(from.getTime() - daysBefore * dayMs);
  const { replayed, hours } = await hoursFor(sql, tenantId, known, { from: begun, until });
  const tooMany = known.filter((rule) => !replayed.includes(rule));
  left.push(...tooMany.map(({ id }) => ({ quotaId: id, why: 'too many agents and keys used something' })));
  const byId = new Map(replayed.map((rule) => [rule.id, rule]));
  const ruleBy = ({ quotaId }: ReplayedLimit): QuotaRule => {
    const rule = byId.get(quotaId);
    if (!rule) throw new Error('bug: a limit is gone through that was not asked for');
    return rule;
  };
  const most = mostOfEach(replayed, ladder);
  const scopesFor = scopesIn(hours);
  const limits = replayed.flatMap((rule) => {
    const scopes = scopesFor(rule);
    if (scopes.length > most)
      left.push({ quotaId: rule.id, why: `only the ${most} that used most were gone through` });
    return scopes.slice(0, most).map((scopeId) => limitOf(rule, scopeId, now));
  });
  const steps = replay({
    ladder,
    limits,
    hours,
    from,
    until,
    windowOf: windowsOf(ruleBy),
    episodesMax,
  });
  const { episodes, further } = await inTurns(tenantId, steps);
  const named = episodes.map((each) => ({ ...each, rule: ruleBy(each.limit) }));
  return { from, until, episodes: named, further, left };
}

type Span = { from: Date; until: Date };

/** By agent and key where a limit is for one of them; where that is more than can be gone through, without those limits. */
async function hoursFor(sql: Sql, tenantId: string, rules: QuotaRule[], span: Span) {
  const ofAll = rules.filter(({ scope }) => scope === 'tenant');
  for (const replayed of ofAll.length < rules.length ? [rules, ofAll] : [ofAll]) {
    const limited = replayed.flatMap(({ meter }) => metersOf(meter));
    const meters = [...new Set<MeterName>(['runs', 'api-calls', ...limited])];
    const { text, values } = hoursStatement(tenantId, {
      ...{ meters, ...span, byWhom: replayed !== ofAll, limit: hoursMax + 1 },
    });
    const rows = await sql<Row>(text, values);
    if (rows.length <= hoursMax) return { replayed, hours: rows.map(asHour) };
  }
  throw new Error('bug: hours of everybody together are as many as the meters and the hours of two months');
}

const mostOfEach = (rules: readonly QuotaRule[], ladder: readonly Rung[]): number => {
  const apart = rules.filter(({ scope, scopeId }) => scope !== 'tenant' && scopeId === '');
  return Math.min(scopesMax, Math.max(1, Math.floor(rungsMaxInAll / (apart.length * (ladder.length + 1)))));
};

/** Windows of one limit are the same for each of its scopes, and a calendar costs more to ask than all the rest. */
function windowsOf(ruleBy: (limit: ReplayedLimit) => QuotaRule) {
  const known = new Map<string, { start: Date; end: Date }>();
  return (limit: ReplayedLimit, at: Date) => {
    const last = known.get(limit.quotaId);
    if (last && last.start <= at && at < last.end) return last;
    const { start, end } = windowOf(ruleBy(limit), at);
    if (!end) return { start: null, end: null };
    const window = { start, end };
    known.set(limit.quotaId, window);
    return window;
  };
}

const limitOf = (rule: QuotaRule, scopeId: string, now: Date): ReplayedLimit => {
  const { id: quotaId, meter, window, windowMinutes, scope, origin, hard } = rule;
  return {
    quotaId,
    meter,
    window,
    windowMinutes,
    scope,
    scopeId,
    origin,
    hard,
    limit: effectiveAmount(rule, now),
  };
};

/** Whose use each limit counts, whoever used most first; read through once for all limits on the same. */
function scopesIn(hours: Hour[]) {
  const known = new Map<string, string[]>();
  return ({ scope, scopeId, meter }: QuotaRule): string[] => {
    if (scope === 'tenant' || scopeId !== '') return [scopeId];
    const which = `${scope} ${meter}`;
    const scopes = known.get(which) ?? usersOf({ scope, meter }, hours);
    known.set(which, scopes);
    return scopes;
  };
}

function usersOf({ scope, meter }: Pick<QuotaRule, 'scope' | 'meter'>, hours: Hour[]): string[] {
  const used = new Map<string, number>();
  for (const hour of hours) {
    const id = scope === 'agent' ? hour.agentId : hour.keyId;
    if (id !== '' && metersOf(meter).includes(hour.meter)) used.set(id, (used.get(id) ?? 0) + hour.value);
  }
  return [...used].sort(([, one], [, other]) => other - one).map(([id]) => id);
}

function whyNot({ scope, window, windowMinutes, meter }: QuotaRule): string | undefined {
  if (scope === 'run') return 'it is about single runs, which the ladder says nothing about';
  if (scope === 'tag') return 'hours are not counted by tag';
  if (window === 'concurrent') return 'hours do not say how much was under way at once';
  if (window === 'minute' || (window === 'rolling' && (windowMinutes ?? 0) < 60))
    return 'it is shorter than an hour';
  const counted = metersOf(meter).every((each) => !uncounted.includes(each));
  return counted ? undefined : 'hours do not add up to it';
}

const uncounted = meterNames.filter((name) =>
  ['unique', 'time-weighted'].includes(meterOf(name).aggregation),
);
