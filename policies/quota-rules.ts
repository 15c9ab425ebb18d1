import { zoneOf } from './cron.ts';
import { type MeterName, meterNames, meterOf } from './meters.ts';
import { type Limited, metersOf, type QuotaRule, type QuotaScope, type QuotaWindow } from './quotas.ts';
import { type Fault, Refusal } from './refusal.ts';

/** Which limits make sense: what each meter can be limited by, and what an organisation may say of its own. */
export type NewQuota = Pick<
  QuotaRule,
  | 'meter'
  | 'window'
  | 'windowMinutes'
  | 'zone'
  | 'scope'
  | 'scopeId'
  | 'amount'
  | 'hard'
  | 'unreachable'
  | 'thresholds'
>;

const overTime: QuotaWindow[] = ['minute', 'hour', 'day', 'week', 'month', 'rolling'];

/** By how a meter's readings become one number; what is not named cannot be limited. */
function windowsOf(limited: Limited): QuotaWindow[] {
  const [meter = 'runs'] = metersOf(limited);
  switch (meterOf(meter).aggregation) {
    case 'sum':
    case 'count':
      return overTime;
    case 'time-weighted':
      return ['concurrent'];
    case 'last':
      return ['level'];
    default:
      return [];
  }
}

// Object.keys forgets the key type in meterNames' own list; `tokens` is the one that is no meter.
export const limitable = ['tokens', ...meterNames.filter((meter) => windowsOf(meter).length > 0)] as [
  Limited,
  ...Limited[],
];

const perScope: Record<QuotaScope, RegExp> = {
  tenant: /^$/,
  tag: /^.{0,60}$/,
  agent: /^(agt_[0-9a-z]{26})?$/,
  key: /^(key_[0-9a-z]{26})?$/,
  run: /^(run_[0-9a-z]{26})?$/,
};
const likeOf: Record<QuotaScope, string> = {
  tenant: 'must not be there: this limit is everybody’s',
  tag: 'must be a tag of at most 60 characters',
  agent: 'must be the id of an agent, or absent: each for itself',
  key: 'must be the id of an API key, or absent: each for itself',
  run: 'must be the id of a run, or absent: each for itself',
};

/** Levels are measured for the whole, not for what carries a tag or belongs to a run. */
const levelScopes: QuotaScope[] = ['tenant', 'agent', 'key'];

/** As the database knows it: Postgres and ICU each have abbreviations and former names of their own. */
export const inOwnSpelling = (given: NewQuota): NewQuota => ({
  ...given,
  zone: zoneOf(given.zone) ?? given.zone,
});

export function quotaFaults(given: NewQuota): Fault[] {
  const { meter, window, windowMinutes, zone, scope, scopeId } = given;
  const faults: Fault[] = [];
  const fault = (pointer: string, detail: string) => faults.push({ pointer, code: 'quota', detail });
  const windows = windowsOf(meter);
  if (!windows.includes(window)) fault('/window', `must be one of ${windows.join(', ')} for ${meter}`);
  if (window === 'rolling' && windowMinutes === null)
    fault('/windowMinutes', 'must say in how many minutes, for a rolling window');
  if (window !== 'rolling' && windowMinutes !== null)
    fault('/windowMinutes', 'must not be there but for a rolling window');
  if (zoneOf(zone) === undefined) fault('/zone', 'must be a time zone such as Europe/Berlin');
  if (!perScope[scope].test(scopeId)) fault('/scopeId', likeOf[scope]);
  if (window === 'level' && !levelScopes.includes(scope))
    fault('/scope', `must be ${levelScopes.join(', ')}, for ${meter} is measured`);
  return faults;
}

/** Of two limits on the same in the same window, the organisation’s own says less than the plan’s. */
export function beyondPlan(given: NewQuota, rules: readonly QuotaRule[]): Fault[] {
  const plans = rules.filter(
    ({ origin, hard, meter, window, scope }) =>
      origin !== 'tenant' && hard && meter === given.meter && window === given.window && scope === 'tenant',
  );
  const most = Math.min(...plans.map(({ amount, raisedTo }) => Math.max(amount, raisedTo ?? 0)));
  if (given.amount <= most) return [];
  const detail = `must be at most ${most.toLocaleString('en')}, which is what the plan gives; ask for more with POST /v1/quota-requests`;
  return [{ pointer: '/amount', code: 'beyond-plan', detail }];
}

export const enforcementOf = (limited: Limited): 'before' | 'after' =>
  metersOf(limited).every((meter: MeterName) => meterOf(meter).enforcement === 'before') ? 'before' : 'after';

/** How a limit holds, for whoever reads it. */
export function holdsHow({
  meter,
  hard,
  unreachable,
}: Pick<QuotaRule, 'meter' | 'hard' | 'unreachable'>): string {
  if (!hard) return 'It only warns: what is used beyond it is counted and told.';
  if (enforcementOf(meter) === 'after')
    return 'What is used of it is known only once it happened: what would begin after it was reached is refused, and what was under way then may pass it.';
  const without =
    unreachable === 'refuse'
      ? 'while the ledger cannot be asked, nothing begins'
      : 'while the ledger cannot be asked, acts go on and are counted later';
  return `It is reserved before each act and never passed; ${without}.`;
}

const ownMax = 100;
const distinguishing = [
  ...(['meter', 'window', 'windowMinutes', 'zone', 'scope', 'scopeId'] as const),
  ...(['amount', 'hard'] as const),
];

/** No more than are looked at with each act, and none twice: the second would only tell everything once more. */
export function insistNew(given: NewQuota, rules: readonly QuotaRule[]): void {
  const own = rules.filter(({ origin }) => origin === 'tenant');
  const same = own.find((rule) => distinguishing.every((name) => rule[name] === given[name]));
  if (same)
    throw new Refusal('conflict', `There is this limit already; PATCH /v1/quotas/${same.id} changes it.`);
  if (own.length >= ownMax)
    throw new Refusal('conflict', `There are ${ownMax} limits of your own already; remove one first.`);
}
