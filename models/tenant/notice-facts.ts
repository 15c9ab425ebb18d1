import { abuseText, type Limit, limitNoticeText, overText, type Text } from '../../policies/notice-text.ts';
import { nextPlan, planAt } from '../../policies/plans.ts';
import { planLimitOf } from '../../policies/quota-request.ts';
import type { Limited, QuotaScope, QuotaWindow } from '../../policies/quotas.ts';
import { requestText } from '../../policies/request-text.ts';
import type { RestrictionNotice } from '../../policies/restriction-notice.ts';
import type { Row } from '../batch.ts';
import type { Keyring } from '../keyring.ts';
import type { NoticeKind } from './notification.ts';
import { nameOf } from './person.ts';
import type { Resolved } from './quota-resolution.ts';
import type { topConsumers } from './usage-top.ts';

/** What a notice says in words: what was kept when it was told, and what is known of it when it is read or mailed. */
export const noticeColumns = `n.kind, n.data, q.meter, q.time_window, q.window_minutes, q.scope, q.scope_id, q.amount, q.zone,
  q.origin, q.hard, t.plan, t.plan_version, a.name AS agent_name, k.name AS key_name, p.sealed_name AS scope_sealed_name`;

/** The limit and whoever it is about may be gone by now; what was told of them is told all the same. `of`: the schema, with a dot. */
export const noticeJoins = (of: string): string => `CROSS JOIN ${of}tenant t
  LEFT JOIN ${of}quotas q ON q.id = n.data ->> 'quotaId' LEFT JOIN ${of}agents a ON a.id = n.data ->> 'scopeId'
  LEFT JOIN ${of}api_keys k ON k.id = n.data ->> 'scopeId' LEFT JOIN ${of}users p ON p.id = n.data ->> 'scopeId'`;

/** As limit-news.ts and quota-raise.ts keep it: what is read below is there for its kind. */
export type NoticeData = {
  quotaId: string | null;
  scopeId?: string;
  meter: Limited;
  window: QuotaWindow | null;
  windowMinutes?: number | null;
  scope: QuotaScope | 'user';
  threshold?: number;
  used: number;
  amount: number;
  windowStart?: string;
  resetsAt: string | null;
  exhaustedAt?: string | null;
  restrictions?: RestrictionNotice[];
  why?: Resolved['why'];
  outcome: string;
  asked: number;
  granted: number | null;
  until: string | null;
};

type Top = Awaited<ReturnType<typeof topConsumers>>;

/** `top`: whoever uses most, where somebody has looked. */
export function noticeText(row: Row, keyring: Keyring, top?: Top): Text {
  const data = keptIn(row);
  const { restrictions = [] } = data;
  const scopeName = scopeNameOf(row, data, keyring);
  const limit: Limit = { ...data, scopeName };
  switch (row.kind as NoticeKind) {
    case 'quota.threshold':
    case 'restriction.begun':
      if (data.quotaId === null) return abuseText('begun', { restrictions, scopeName });
      return limitNoticeText({
        ...{ ...limit, ...standingOf(row, data), restrictions, top },
        quotaId: data.quotaId,
      });
    case 'quota.resolved':
    case 'restriction.ended':
      if (data.quotaId === null) return abuseText('ended', { restrictions, scopeName });
      return overText({ ...limit, used: data.used, why: data.why ?? null, restrictions });
    case 'quota.request-decided':
    case 'quota.request-ended':
      return requestText({ ...data, limit: limitOf(row), until: momentOf(data.until), zone: zoneOf(row) });
  }
}

/** Restrictions were told one by one once, and a notice was of nothing else. */
function keptIn({ data }: Row): NoticeData {
  const kept = data as NoticeData & { restrictionId?: string; limit?: number };
  if (kept.restrictionId === undefined) return kept;
  const restriction = data as RestrictionNotice;
  return { ...kept, amount: kept.limit ?? 0, resetsAt: restriction.until, restrictions: [restriction] };
}

function standingOf(row: Row, data: NoticeData) {
  const plan = planAt(String(row.plan), Number(row.plan_version));
  const limit = planLimitOf(data.quotaId ?? '');
  const next = limit && nextPlan(plan, limit);
  return {
    zone: zoneOf(row),
    threshold: data.threshold ?? null,
    used: data.used,
    resetsAt: momentOf(data.resetsAt),
    exhaustedAt: momentOf(data.exhaustedAt ?? null),
    hard: typeof row.hard === 'boolean' ? row.hard : undefined,
    askable: row.origin === 'plan' || row.origin === 'operator',
    upgrade: limit &&
      next?.prices && {
        title: next.title,
        amount: next.limits[limit] ?? null,
        price: `${(next.prices.monthMinor / 100).toFixed(2)} ${next.prices.currency}`,
      },
  };
}

/** Of a request, which keeps nothing of the limit but its id. */
function limitOf(row: Row): Limit | undefined {
  if (row.meter === null) return undefined;
  const { meter, time_window: window, window_minutes: windowMinutes, scope, scope_id: scopeId, amount } = row;
  return {
    // The columns' CHECKs allow what these types name and nothing else.
    ...{ meter: meter as Limited, window: window as QuotaWindow, scope: scope as QuotaScope },
    windowMinutes: windowMinutes as number | null,
    amount: Number(amount),
    scopeName: String(scopeId),
  };
}

function scopeNameOf(row: Row, { scopeId = '' }: NoticeData, keyring: Keyring): string {
  const { agent_name: agent, key_name: key, scope_sealed_name: sealed } = row;
  if (Buffer.isBuffer(sealed)) return nameOf(keyring, scopeId, { sealed_name: sealed });
  return String(agent ?? key ?? scopeId);
}

const zoneOf = ({ zone }: Row): string => String(zone ?? 'UTC');
const momentOf = (text: string | null): Date | null => (text === null ? null : new Date(text));
