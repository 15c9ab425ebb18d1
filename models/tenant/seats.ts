import { Refusal } from '../../policies/refusal.ts';
import type { Sql } from '../scope.ts';
import { amountNow } from './quota.ts';

/**
 * Seats: active people and those with an invitation that is still open. Whoever takes one locks the quota first, so
 * that the last free seat is given once; who is deactivated, and whose invitation is over, takes none.
 */
export type Seats = { taken: number; limit: number | null };

/** `prefix` is of the tables' names: a schema and a dot, or nothing inside the tenant. */
export const seatsTaken = (prefix: string): string =>
  `SELECT count(*)::int AS taken FROM ${prefix}users u WHERE u.state = 'active' OR EXISTS (
     SELECT FROM ${prefix}invitations i WHERE i.user_id = u.id AND i.state = 'pending' AND i.expires_at > now())`;

export async function lockSeats(sql: Sql): Promise<Seats> {
  const [quota] = await sql<{ amount: string }>(
    `SELECT ${amountNow} AS amount FROM quotas q WHERE id = 'plan.seats' FOR UPDATE`,
  );
  const [counted] = await sql<{ taken: number }>(seatsTaken(''));
  return { taken: Number(counted?.taken), limit: quota ? Number(quota.amount) : null };
}

/** Why so many more do not fit, in a sentence; undefined when they do. */
export function seatFault({ taken, limit }: Seats, wanted: number): string | undefined {
  if (limit === null || taken + wanted <= limit) return undefined;
  const free = Math.max(0, limit - taken);
  return `This plan holds ${limit} seats and ${taken} are taken, so ${wanted} more do not fit (${free} free); deactivate somebody, revoke an invitation, or raise the limit.`;
}

export function insistSeats(seats: Seats, wanted: number): void {
  const fault = seatFault(seats, wanted);
  if (fault) throw new Refusal('conflict', fault);
}
