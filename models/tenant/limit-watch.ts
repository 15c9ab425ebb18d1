import { inTenant, type Place, type Sql } from '../scope.ts';
import { tellOfLimits } from './limit-news.ts';
import type { Charged } from './quota-charge.ts';
import { noticeCrossings } from './quota-crossing.ts';
import { crossedNow, resolvedNow } from './quota-watch.ts';
import { anyRungPassed, type Changed, settleRestrictions } from './usage-restriction-watch.ts';

/**
 * Everything that follows from how limits stand: thresholds crossed and resolved, what is restricted and what is no more,
 * and that people are told of it, in the transaction one is in. Whoever changes what a limit stands at (the meter), or what
 * is said of it (limits, ladder), calls this; the meter's schedule calls it as well, for time passes without anybody's
 * doing. Locks are taken in one order: crossings, then the turn to restrict. Says whether more is left to end, which the
 * schedule ends.
 */
export async function settleLimits(sql: Sql, now: Date = new Date()): Promise<boolean> {
  const crossed = await crossedNow(sql);
  const { more, ...news } = await followed(sql, now);
  await tellOfLimits(sql, { crossed, ...news });
  return more;
}

/** What one transaction leaves, the next one takes. */
export async function settleAllLimits(place: Place, now: Date = new Date()): Promise<void> {
  for (let more = true; more; ) more = await inTenant(place, ({ sql }) => settleLimits(sql, now));
}

/** In the transaction that counts what was used: looks at all limits only when a rung is passed. */
export async function noticeUse(sql: Sql, charged: readonly Charged[]): Promise<void> {
  const crossed = await noticeCrossings(sql, charged);
  const news = (await anyRungPassed(sql, charged)) ? await followed(sql, new Date()) : {};
  await tellOfLimits(sql, { crossed, ...news });
}

async function followed(sql: Sql, now: Date) {
  const changed: Changed = await settleRestrictions(sql, now);
  return { ...changed, resolved: await resolvedNow(sql) };
}
