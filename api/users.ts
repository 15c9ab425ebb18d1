import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { TenantScope } from '../models/scope.ts';
import { lockPersonRow } from '../models/tenant/person.ts';
import { rightsOfRoles } from '../models/tenant/rights.ts';
import { insistHeld } from '../models/tenant/role.ts';
import { userNow, userStates } from '../models/tenant/user.ts';
import type { Principal } from '../policies/principal.ts';
import { Refusal } from '../policies/refusal.ts';
import type { Rights } from '../policies/rights.ts';
import { iso } from './present.ts';
import { requireVersion } from './route.ts';
import { id, moment } from './shapes.ts';

/** What the routes of people share: shapes, how a row is shown, and who may lay hands on whom. */
export const userParams = z.strictObject({ userId: id('usr') });

export const listedUser = z
  .object({
    id: id('usr'),
    email: z.string(),
    name: z.string(),
    state: z.enum(userStates),
    roles: z.array(z.string()),
    secondFactor: z.boolean(),
    lastSignInAt: moment.nullable(),
    deactivatedAt: moment.nullable(),
    createdAt: moment,
    updatedAt: moment,
    version: z.int(),
  })
  .meta({ id: 'ListedUser' });

export const user = listedUser
  .extend({
    owns: z.object({ agents: z.int(), apiKeys: z.int(), sessions: z.int(), invitations: z.int() }),
  })
  .meta({ id: 'User' });

export function presentListedUser(row: Row) {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    state: row.state,
    roles: row.roles,
    secondFactor: row.second_factor,
    lastSignInAt: iso(row.last_sign_in_at),
    deactivatedAt: iso(row.deactivated_at),
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    version: row.version,
  };
}

export function presentUser(row: Row) {
  const owns = {
    agents: row.agents,
    apiKeys: row.api_keys,
    sessions: row.sessions,
    invitations: row.invitations,
  };
  return { ...presentListedUser(row), owns };
}

export async function shownUser({ sql }: TenantScope, tenantId: string, userId: string) {
  const row = await userNow(sql, tenantId, userId);
  if (!row) throw new Refusal('not-found', 'There is nothing at this address.');
  return presentUser(row);
}

type Acting = {
  tenantId: string;
  principal: Principal;
  me: string;
  rights: Rights;
  ifMatch: number | undefined;
};

/**
 * The person as they stand, and as they stay until this is done: signing in waits as well. Nobody does this to
 * themselves, or to somebody who may more.
 */
export async function lockPerson(tenant: TenantScope, acting: Acting, userId: string, what: string) {
  const { sql } = tenant;
  await lockPersonRow(sql, userId);
  const { tenantId, me, rights } = acting;
  if (me === userId)
    throw new Refusal('conflict', `Nobody can ${what} themselves; have another administrator do it.`);
  const person = await shownUser(tenant, tenantId, userId);
  requireVersion(acting, Number(person.version));
  const roles = person.roles as string[]; // text[] in the statement behind it
  insistHeld(rights, await rightsOfRoles(sql, tenantId, roles), 'This person');
  return person;
}
