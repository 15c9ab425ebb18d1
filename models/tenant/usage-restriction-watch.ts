import type { Principal } from '../../policies/principal.ts';
import type { QuotaScope } from '../../policies/quotas.ts';
import { reasonOf } from '../../policies/restriction-words.ts';
import { allMeasures, type Due, hardestFirst, passesRung } from '../../policies/usage-ladder.ts';
import type { Restriction, RestrictionData } from '../../policies/usage-restriction.ts';
import { auditInTenant } from '../audit.ts';
import { newId } from '../ids.ts';
import type { Sql } from '../scope.ts';
import { type Counted, standingsIn } from './limit-standing.ts';
import type { Charged } from './quota-charge.ts';
import { ladderIn } from './usage-ladder.ts';
import {
  announceRestrictions,
  beginRestriction,
  endRestrictions,
  type Known,
  knownRestrictions,
  takeRestrictionTurn,
} from './usage-restriction.ts';

/**
 * Brings what is restricted to what the ladder says of how limits stand: begins what is due, ends what is due no more. Each
 * with an event in the trail, in the transaction one is in; who is to be told of which is answered (limit-watch.ts).
 */
export type Changed = {
  begun: Restriction[];
  ended: Restriction[];
  /** Whether there is more to end, which another transaction does. */
  more: boolean;
};

/**
 * Each that begins or ends is an event in the trail, and statements are bounded in time, transactions are not: to end
 * 100,000 in one took 289 s, in which nothing that passes a rung could be counted.
 */
export const changesAtOnce = 1_000;

export async function settleRestrictions(sql: Sql, now: Date = new Date()): Promise<Changed> {
  await takeRestrictionTurn(sql);
  const known = await knownRestrictions(sql);
  const { rungs } = await ladderIn(sql);
  const standings = await standingsIn(sql, now);
  const limits = known.filter(({ cause }) => cause === 'limit');
  const due = allMeasures(rungs, standings, new Set(limits.map(({ key }) => key)));
  const over = overBy(known, due, now).toSorted(hardestFirst);
  const ending = over.slice(0, changesAtOnce);
  const fresh = due.filter(({ key }) => !limits.some((each) => each.key === key));
  await end(sql, ending, now);
  const begun: Restriction[] = [];
  for (const each of fresh) {
    const made = madeOf(each, now);
    await begin(sql, made);
    if (!saidByThreshold(each, standings)) begun.push(made);
  }
  if (ending.length + fresh.length > 0) await announceRestrictions(sql);
  return { begun, ended: ending.filter(isNews), more: over.length > ending.length };
}

/** Whether what was used passes a rung; asked of every act that uses something. */
export async function anyRungPassed(sql: Sql, charged: readonly Charged[]): Promise<boolean> {
  if (charged.length === 0) return false;
  const { rungs } = await ladderIn(sql);
  return charged.some((each) => passesRung(rungs, each));
}

/** What a limit made is over when it is due no more; what looked like abuse, when its time is. */
function overBy(known: readonly Known[], due: readonly Due[], now: Date): Known[] {
  const keys = new Set(due.map(({ key }) => key));
  return known.filter(({ cause, key, until }) =>
    cause === 'limit' ? !keys.has(key) : until !== null && until <= now,
  );
}

/** Where the limit’s own thresholds say the same, one of the two is enough. */
function saidByThreshold({ rung, standing }: Due, standings: readonly Counted[]): boolean {
  if (rung.measure !== 'warn') return false;
  const of = standings.find(({ quotaId }) => quotaId === standing.quotaId);
  return of?.thresholds.includes(rung.at) ?? false;
}

type Made = Restriction & { key: string };

function madeOf({ key, rung, madeBy, standing }: Due, now: Date): Made {
  const { quotaId, scopeId, meter, limit, used, window, windowMinutes, windowEnd } = standing;
  return {
    id: newId('rsn'),
    key,
    scope: scopeOf(standing.scope),
    scopeId,
    measure: rung.measure,
    cause: 'limit',
    madeBy,
    quotaId,
    data: {
      at: rung.at,
      meter,
      limit,
      used,
      window,
      windowMinutes,
      ...(rung.measure === 'slow' && { factor: rung.factor }),
      ...(rung.measure === 'cheaper-model' && { models: rung.models }),
    },
    since: now,
    until: windowEnd,
  };
}

function scopeOf(scope: QuotaScope): Restriction['scope'] {
  if (scope === 'run') throw new Error('bug: the ladder has nothing to say about one run');
  return scope;
}

const meter: Principal = { kind: 'system', id: 'system:meter' };

export async function begin(sql: Sql, made: Made): Promise<void> {
  await beginRestriction(sql, made);
  await write(sql, 'begin', made);
}

async function end(sql: Sql, over: readonly Known[], now: Date): Promise<void> {
  if (over.length === 0) return;
  await endRestrictions(
    sql,
    over.map(({ id }) => id),
    now,
  );
  for (const each of over) if (!each.lifted) await write(sql, 'end', each);
}

/** Whoever lifted it said so; and what only warned has nothing that could be over. */
const isNews = ({ lifted, measure }: Known): boolean => !lifted && measure !== 'warn';

async function write(sql: Sql, did: 'begin' | 'end', restriction: Restriction): Promise<void> {
  const { id, measure, scope, scopeId, cause, quotaId, data } = restriction;
  const why = reasonOf(restriction);
  await auditInTenant(sql, {
    actor: meter,
    action: `${did} UsageRestriction`,
    subject: { type: 'UsageRestriction', id },
    outcome: 'done',
    rule: did === 'begin' ? why : `its cause is over: ${why}`,
    details: { measure, scope, scopeId, cause, quotaId, ...numbersOf(data) },
  });
}

const numbersOf = ({ at, limit, used, factor }: RestrictionData) => ({ at, limit, used, factor });
