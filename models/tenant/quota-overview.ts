import type { Forecast } from '../../policies/forecast.ts';
import { windowOf } from '../../policies/quota-window.ts';
import { effectiveAmount, type QuotaRule } from '../../policies/quotas.ts';
import type { Row, Statement } from '../batch.ts';
import { type Place, readInTenant } from '../scope.ts';
import { foreseenOf, hoursOf, type Limit } from './quota-forecast.ts';
import { type Listed, listedOf, quotaList } from './quota-list.ts';

/** How limits stand just now and when they are used up; of one that is for each of several, that of whoever used most. */
export type LimitNow = Limit & { rule: QuotaRule; reserved: number };
export type Foreseen = { listed: Listed; limit: LimitNow; forecast: Forecast };

type Ask = (statement: Statement) => Promise<Row[]>;

/** Of rows of `quotaList`; one more question for all of them together. */
export async function foresee(ask: Ask, tenantId: string, rows: readonly Row[]): Promise<Foreseen[]> {
  const all = rows.map(listedOf).map((listed) => ({ listed, limit: limitOf(listed) }));
  const limits = all.map(({ limit }) => limit);
  const hours = await ask(hoursOf(tenantId, limits));
  return all.map((each) => ({ ...each, forecast: foreseenOf(each.limit, hours, each.listed.now) }));
}

export async function limitsNow(place: Place): Promise<Foreseen[]> {
  const ask = askIn(place);
  const limits = await foresee(ask, place.tenantId, await ask(quotaList(place.tenantId)));
  return limits.sort(planFirst);
}

/** For who asks outside a transaction. */
export const askIn =
  (place: Place): Ask =>
  async (statement) =>
    (await readInTenant(place, [statement]))[0] ?? [];

const planFirst = ({ limit: one }: Foreseen, { limit: other }: Foreseen): number =>
  Number(other.rule.origin === 'plan') - Number(one.rule.origin === 'plan');

export function limitOf({ rule, now, shares }: Listed): LimitNow {
  const { meter, window, scope } = rule;
  const [most = { scopeId: '', used: 0, reserved: 0 }] = shares;
  const { used, reserved } = most;
  const scopeId = rule.scopeId || most.scopeId;
  const amount = effectiveAmount(rule, now);
  return { rule, meter, window, scope, scopeId, amount, used, reserved, resetsAt: windowOf(rule, now).end };
}
