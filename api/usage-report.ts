import type { Foreseen } from '../models/tenant/quota-overview.ts';
import type { Consumed } from '../models/tenant/usage-consumers.ts';
import type { UsageSeries } from '../models/tenant/usage-reading.ts';
import type { ReportFacts, Whole } from '../models/tenant/usage-report.ts';
import { type MeterName, meterNames, meterOf } from '../policies/meters.ts';
import { type Plan, plans } from '../policies/plans.ts';
import { rightSizing } from '../policies/right-sizing.ts';
import type { BucketSize, Span } from '../policies/usage-buckets.ts';
import { isPriced, worthOf } from '../policies/usage-cost.ts';
import {
  type Consumers,
  changeOf,
  consumersOf,
  efficiencyOf,
  idleOf,
  workOf,
} from '../policies/usage-report.ts';
import { iso } from './present.ts';
import { presentPeriod, presentSpan } from './usage.ts';
import type { Period } from './usage-query.ts';

/** A report as the API answers it; the page and the sheet are other ways of showing this very object. */
export type ReportAsked = {
  period: Period;
  previous: Span;
  bucket: BucketSize;
  bounds: readonly number[];
  previousBounds: readonly number[];
};
export type Organisation = { id: string; name: string; plan: Plan };
type Report = ReturnType<typeof reportOf>;
/** With what the address and the reader's rights add. */
export type ShownReport = Report & { names: Record<string, string>; links: Record<string, string> };

const topMax = 10;
const dimensionsShown = {
  agents: 'agentId',
  workflows: 'workflowId',
  users: 'userId',
  keys: 'keyId',
  models: 'model',
} as const satisfies Record<string, Consumed['dimension']>;

export function reportOf({ id, name, plan }: Organisation, asked: ReportAsked, facts: ReportFacts) {
  const { period, previous, bounds, bucket } = asked;
  const by = {
    agents: consumersBy('agents', facts, plan),
    workflows: consumersBy('workflows', facts, plan),
    users: consumersBy('users', facts, plan),
    keys: consumersBy('keys', facts, plan),
    models: consumersBy('models', facts, plan),
  };
  return {
    organisation: { id, name },
    plan: planOf(plan),
    ...presentPeriod(period),
    previous: presentSpan(previous),
    takenUntil: iso(facts.answer.takenUntil),
    bucket,
    buckets: bounds.slice(0, -1).map((from, at) => presentSpan({ from, until: bounds[at + 1] ?? from })),
    meters: meterNames.map((meter) => meterIn(meter, facts)),
    limits: facts.whole?.limits?.map(limitIn) ?? null,
    top: {
      ...{ agents: by.agents.top, workflows: by.workflows.top, users: by.users.top },
      ...{ keys: by.keys.top, models: by.models.top },
    },
    rest: {
      ...{ agents: restOf(by.agents), workflows: restOf(by.workflows), users: restOf(by.users) },
      ...{ keys: restOf(by.keys), models: restOf(by.models) },
    },
    cost: costOf(facts, plan),
    efficiency: {
      now: efficiencyOf(inAll(facts.consumed), plan),
      before: efficiencyOf(inAll(facts.consumedBefore), plan),
    },
    idle: facts.whole ? idleIn(facts.whole, plan) : null,
    rightSizing: facts.whole ? rightSizing({ plan, plans, months: facts.whole.months }) : null,
  };
}

function planOf(plan: Plan) {
  const { name, version, title } = plan;
  const { currency, monthMinor } = isPriced(plan) ? plan.prices : { currency: null, monthMinor: null };
  return { name, version, title, currency, monthMinor };
}

function meterIn(name: MeterName, { answer, before }: ReportFacts) {
  const { unit, aggregation, about } = meterOf(name);
  const own = (all: UsageSeries[]) => all.find(({ meter }) => meter === name);
  const [now, then] = [own(answer.series), own(before.series)];
  const [total, previous] = [now?.total ?? null, then?.total ?? null];
  const late = now?.corrections ?? [];
  return {
    ...{ meter: name, unit, aggregation, about, total, previous, change: changeOf(total, previous) },
    values: now?.values ?? [],
    previousValues: then?.values ?? [],
    corrections: {
      readings: late.reduce((sum, { readings }) => sum + readings, 0),
      value: late.reduce((sum, { value }) => sum + (value ?? 0), 0),
    },
  };
}

function limitIn({ limit, forecast }: Foreseen) {
  const { rule, scopeId, amount, used, reserved, resetsAt } = limit;
  const { id, meter, window, windowMinutes, scope, hard } = rule;
  return {
    id,
    meter,
    window,
    windowMinutes,
    scope,
    scopeId,
    hard,
    amount,
    used,
    reserved,
    resetsAt: iso(resetsAt),
    exhausted: forecast.exhausted,
    exhaustedAt: iso(forecast.exhaustedAt),
  };
}

/** Every dimension holds all there is, so one of them tells of the whole. */
const inAll = (consumed: readonly Consumed[]) => consumed.filter(({ dimension }) => dimension === 'model');

function consumersBy(which: keyof typeof dimensionsShown, { consumed }: ReportFacts, plan: Plan) {
  const dimension = dimensionsShown[which];
  return consumersOf(
    consumed.filter((each) => each.dimension === dimension),
    plan,
    topMax,
  );
}

const restOf = ({ others, nobody }: Consumers) => ({ others, nobody });

function costOf({ consumed }: ReportFacts, plan: Plan) {
  const work = workOf(inAll(consumed));
  const priced = isPriced(plan);
  const usedMinor = priced ? worthOf(work, plan.prices) : null;
  const missing = [
    ...(priced ? [] : [`Prices: version ${plan.version} of the plan “${plan.title}” has none.`]),
    ...(work.succeeded > 0 ? [] : ['A run that succeeded in this time.']),
  ];
  const perSuccessfulRunMinor =
    missing.length === 0 && usedMinor !== null ? usedMinor / work.succeeded : null;
  const currency = priced ? plan.prices.currency : null;
  return { currency, usedMinor, ...work, perSuccessfulRunMinor, missing };
}

function idleIn({ months, idleAgents }: Pick<Whole, 'months' | 'idleAgents'>, plan: Plan) {
  const most = (name: keyof Whole['months'][number]['used']) =>
    Math.max(0, ...months.map(({ used }) => used[name] ?? 0));
  const used = Object.fromEntries(
    (['agents', 'seats', 'runs', 'tokens', 'storageBytes'] as const).map((name) => [name, most(name)]),
  );
  return {
    months: months.map(({ from }) => from),
    limits: months.length > 0 ? idleOf(plan, used) : [],
    agents: idleAgents,
  };
}
