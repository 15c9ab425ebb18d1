import type { Refusal } from '../../policies/refusal.ts';
import {
  type Act,
  type Acting,
  type Restriction,
  refusalOf,
  restricted,
  slowed,
} from '../../policies/usage-restriction.ts';
import type { Row } from '../batch.ts';
import type { Sql } from '../scope.ts';
import { restrictionsIn } from './usage-restriction.ts';

/** Who does something in whose name, and through which agent; what restrictions are for, besides everybody. */
export type Doer = { principalId: string; agentId?: string | null | undefined };

/** Looked up only where anything is restricted, which is rare. */
export async function actingAs(sql: Sql, { principalId, agentId }: Doer): Promise<Acting> {
  const [row] = await sql<Row>(
    `SELECT (SELECT owner_id FROM api_keys WHERE id = $1) AS owner_id,
       (SELECT to_jsonb(tags) FROM agents WHERE id = $2) AS tags`,
    [principalId, agentId ?? null],
  );
  const { owner_id: owner, tags } = row ?? {};
  return {
    ids: typeof owner === 'string' ? [principalId, owner] : [principalId],
    agentId,
    tags: Array.isArray(tags) ? tags.map(String) : [],
  };
}

/** The refusal of what is restricted, as of the transaction of the act. */
export async function whyRestricted(sql: Sql, act: Act, doer: Doer): Promise<Refusal | undefined> {
  const all = await restrictionsIn(sql);
  if (all.length === 0) return undefined;
  return refusalOf(all, act, await actingAs(sql, doer), new Date());
}

export async function insistAllowed(sql: Sql, act: Act, doer: Doer): Promise<void> {
  const refusal = await whyRestricted(sql, act, doer);
  if (refusal) throw refusal;
}

export type AtOnce = { most: number; because?: Restriction };

/** How many runs may be under way at once when one more is to begin: fewer, where its kind is slowed down. */
export async function runsAtOnce(sql: Sql, most: number, doer: Doer): Promise<AtOnce> {
  const all = await restrictionsIn(sql);
  if (all.length === 0) return { most };
  const acting = await actingAs(sql, doer);
  const { factor, because } = slowed(all, acting, new Date());
  return because ? { most: Math.max(1, Math.floor(most * factor)), because } : { most };
}

export const slowedDown = (because: Restriction) =>
  restricted(because, 'have as many runs at once', new Date());
