import type { Principal } from '../../policies/principal.ts';
import { auditInTenant } from '../audit.ts';
import type { Sql } from '../scope.ts';
import type { Crossing } from './quota-crossing.ts';
import { queueWebhook } from './webhook.ts';

/**
 * What was told of a limit is over: its window turned, the limit was raised, or less is used. People are told once of each
 * limit, with the highest threshold, and only where they had been told that it was crossed.
 */
export type Open = Omit<Crossing, 'resetsAt'> & {
  told: boolean;
  /** Whether its window is over. */
  turned: boolean;
  /** What the limit was when it was crossed. */
  was: number;
};

/** As it is kept with what is told of it (limit-news.ts). */
export type Resolved = Omit<Open, 'told' | 'turned' | 'was' | 'windowStart'> & {
  windowStart: string;
  why: 'window-turned' | 'raised' | 'fell';
};

const meter: Principal = { kind: 'system', id: 'system:meter' };

/** Answers those that people are to be told of, with whatever else is over. */
export async function resolve(sql: Sql, open: readonly Open[]): Promise<Resolved[]> {
  const over = open.filter(
    ({ turned, used, threshold, amount }) => turned || used * 100 < threshold * amount,
  );
  if (over.length === 0) return [];
  const closed = new Set(await close(sql, over));
  const news: Resolved[] = [];
  for (const each of highestOfEach(over.filter((one, at) => one.told && closed.has(at))))
    news.push(await written(sql, each));
  return news;
}

/** Answers which of them were. One that somebody else has in hand is left to the next look: waiting for each other could last. */
async function close(sql: Sql, over: readonly Open[]): Promise<number[]> {
  const closed = await sql<{ at: number }>(
    `WITH free AS (
       SELECT c.ctid AS free_at, o.at FROM quota_crossings c
         JOIN jsonb_to_recordset($1::jsonb) AS o(at integer, "quotaId" text, "scopeId" text, "windowStart" timestamptz, threshold integer)
         ON c.quota_id = o."quotaId" AND c.scope_id = o."scopeId" AND c.window_start = o."windowStart" AND c.threshold = o.threshold
       WHERE c.resolved_at IS NULL FOR UPDATE OF c SKIP LOCKED)
     UPDATE quota_crossings c SET resolved_at = now() FROM free WHERE c.ctid = free.free_at RETURNING free.at`,
    [JSON.stringify(over.map((each, at) => ({ ...each, at })))],
  );
  return closed.map(({ at }) => at);
}

function highestOfEach(over: readonly Open[]): Open[] {
  const groups = Map.groupBy(over, ({ quotaId, scopeId }) => `${quotaId} ${scopeId}`);
  return [...groups.values()].map((group) =>
    group.reduce((highest, each) => (each.threshold > highest.threshold ? each : highest)),
  );
}

async function written(sql: Sql, { told: _, turned, was, windowStart, ...rest }: Open): Promise<Resolved> {
  const why = turned ? 'window-turned' : rest.amount > was ? 'raised' : 'fell';
  const data = { ...rest, windowStart: windowStart.toISOString(), why } as const;
  await queueWebhook(sql, 'quota.resolved', data);
  await auditInTenant(sql, {
    actor: meter,
    action: 'resolve Quota',
    subject: { type: 'Quota', id: rest.quotaId },
    outcome: 'done',
    details: data,
  });
  return data;
}
