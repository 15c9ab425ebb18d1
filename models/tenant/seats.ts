import { Refusal } from '../../policies/refusal.ts';
import type { Sql } from '../scope.ts';

/**
 * Seats: active people and those with an invitation that is still open. Whoever takes one locks the quota first, so
 * that the last free seat is given once; who is deactivated, and whose invitation is over, takes none.
 */
export type Seats = { taken: number; limit: number | null };

export async function lockSeats(sql: Sql): Promise<Seats> {
  const [quota] = await sql<{ amount: string }>("SELECT amount FROM quotas WHERE meter = 'seats' FOR UPDATE");
  const [counted] = await sql<{ taken: number }>(
    `SELECT count(*)::int AS taken FROM users u WHERE u.state = 'active' OR EXISTS (
       SELECT FROM invitations i WHERE i.user_id = u.id AND i.state = 'pending' AND i.expires_at > now())`,
  );
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
