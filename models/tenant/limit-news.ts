import { noticeOf } from '../../policies/restriction-notice.ts';
import { toldOf } from '../../policies/threshold.ts';
import { hardestFirst } from '../../policies/usage-ladder.ts';
import type { Restriction } from '../../policies/usage-restriction.ts';
import { placeWithin, type Sql } from '../scope.ts';
import { type Notice, tell } from './notification.ts';
import type { Crossed } from './quota-crossing.ts';
import { exhaustionOf } from './quota-forecast.ts';
import type { Resolved } from './quota-resolution.ts';
import { toldSoon } from './told.ts';

/**
 * What one transaction brought about at a limit is told as one thing: a threshold that was crossed and all that is restricted
 * with it are one notice, hence one mail; what is over likewise. In the trail each of them stands by itself.
 */
export type LimitNews = {
  crossed?: readonly Crossed[];
  resolved?: readonly Resolved[];
  begun?: readonly Restriction[];
  ended?: readonly Restriction[];
};

/** Says whether anybody was told; they are sent it once the transaction is committed (told.ts). */
export async function tellOfLimits(
  sql: Sql,
  { crossed = [], resolved = [], begun = [], ended = [] }: LimitNews,
): Promise<boolean> {
  const over = await notices(sql, resolved, ended, ['quota.resolved', 'restriction.ended']);
  const fresh = await notices(sql, crossed, begun, ['quota.threshold', 'restriction.begun']);
  for (const notice of [...over, ...fresh]) await tell(sql, notice);
  const any = over.length + fresh.length > 0;
  const place = any && placeWithin(sql);
  if (place) toldSoon(place);
  return any;
}

type Limit = Crossed | Resolved;
type Group = { limit?: Limit; restrictions: Restriction[] };
/** With what happened to the limit itself, and without. */
type Kinds = [Notice['kind'], Notice['kind']];

async function notices(
  sql: Sql,
  limits: readonly Limit[],
  restrictions: readonly Restriction[],
  kinds: Kinds,
): Promise<Notice[]> {
  const groups = new Map<string, Group>();
  const groupOf = ({ quotaId, scopeId }: Pick<Restriction, 'quotaId' | 'scopeId'>) => {
    const key = `${quotaId} ${scopeId}`;
    const group = groups.get(key) ?? { restrictions: [] };
    groups.set(key, group);
    return group;
  };
  for (const limit of limits) groupOf(limit).limit = limit;
  for (const each of restrictions.toSorted(hardestFirst)) groupOf(each).restrictions.push(each);
  const all: Notice[] = [];
  for (const group of groups.values()) all.push(await noticeOfGroup(sql, group, kinds));
  return all;
}

async function noticeOfGroup(
  sql: Sql,
  { limit, restrictions }: Group,
  [withLimit, without]: Kinds,
): Promise<Notice> {
  const [hardest] = restrictions;
  // Beside anything else a warning says nothing.
  const told = restrictions
    .filter((each) => each.measure !== 'warn' || (!limit && each === hardest))
    .map(noticeOf);
  const about = limit ?? (hardest && (await aboutLimit(sql, hardest)));
  if (!about) throw new Error('bug: a notice about nothing');
  return {
    kind: limit ? withLimit : without,
    subject: limit
      ? { type: 'Quota', id: limit.quotaId }
      : { type: 'UsageRestriction', id: hardest?.id ?? '' },
    data: { ...about, restrictions: told },
    roles: toldOf(about.quotaId ?? ''),
  };
}

/** The same of the limit as a crossing has, as far as the restriction knows it. */
async function aboutLimit(sql: Sql, { quotaId, scope, scopeId, data, until }: Restriction) {
  const { meter = null, used = null, limit: amount = null, window = null, windowMinutes = null } = data;
  const known = { quotaId, scope, scopeId, meter, window, windowMinutes, used, amount };
  const foreseeable =
    quotaId !== null &&
    scope !== 'user' &&
    meter &&
    window &&
    used !== null &&
    amount !== null &&
    used < amount;
  const { exhaustedAt } = foreseeable
    ? await exhaustionOf(sql, { meter, window, scope, scopeId, amount, used, resetsAt: until })
    : { exhaustedAt: null };
  return {
    ...known,
    resetsAt: until?.toISOString() ?? null,
    exhaustedAt: exhaustedAt?.toISOString() ?? null,
  };
}
