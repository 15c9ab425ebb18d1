import type { Sql } from '../scope.ts';

/**
 * Changes of people, roles and invitations of one tenant take turns. What each is judged by (who holds what, which seats
 * are free, what a role allows) is what another may be about to change; judged one after the other, none slips past,
 * and none waits for what waits for it. Taken before every other lock, and before anything is read that is judged by.
 */
export async function takeTurn(sql: Sql): Promise<void> {
  await sql('SELECT id FROM tenant FOR UPDATE');
}
