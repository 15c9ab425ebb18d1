import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import type { Sql } from '../../models/scope.ts';
import { dutyFault } from '../../models/tenant/duty-separation.ts';
import {
  type Holder,
  holderById,
  insistAdministrator,
  insistNoLockout,
} from '../../models/tenant/holders.ts';
import { personById } from '../../models/tenant/person.ts';
import { rightsOfRoles } from '../../models/tenant/rights.ts';
import { affectedBy } from '../../models/tenant/rights-change.ts';
import { assignRole, insistHeld, unassignRole } from '../../models/tenant/role.ts';
import { rotateSessionsOf } from '../../models/tenant/session.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Rights } from '../../policies/rights.ts';
import { dryRun, id, rightsChange } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';
import { roleParam } from './roles.ts';

const tag = 'Rights';
const params = z.strictObject({ userId: id('usr'), role: roleParam });
const answers = {
  200: z.union([
    z.object({ userId: z.string(), roles: z.array(z.string()) }).meta({ id: 'Assignment' }),
    rightsChange,
  ]),
};

export const giveRole = tenantWrite({
  method: 'put',
  path: '/users/:userId/roles/:role',
  tag,
  summary: 'Give a person a role; with ?dryRun=true says what they would gain and lose',
  permit: ['assign', 'Role'],
  inTurn: true,
  params,
  query: z.strictObject({ dryRun }),
  answers,
  load: ({ params: { userId }, tenantId }) => forUpdate(personById(tenantId, userId)),
  handle: async ({ tenant: { sql }, params: { userId, role }, query, row, ...call }) => {
    if (row.state === 'invited')
      throw new Refusal(
        'conflict',
        'This person has not accepted yet; roles come with the invitation: revoke it and invite them with others.',
      );
    const change = await changeOf(sql, userId, { ...call, role, give: true });
    const fault = await dutyFault(sql, change.after);
    if (fault) throw new Refusal('conflict', fault);
    return carriedOut(sql, change, { ...call, dryRun: query.dryRun });
  },
});

export const takeRole = tenantWrite({
  method: 'delete',
  path: '/users/:userId/roles/:role',
  tag,
  summary: 'Take a role away from a person; with ?dryRun=true says what they would gain and lose',
  permit: ['assign', 'Role'],
  inTurn: true,
  params,
  query: z.strictObject({ dryRun }),
  answers,
  load: ({ params: { userId }, tenantId }) => forUpdate(personById(tenantId, userId)),
  handle: async ({ tenant: { sql }, params: { userId, role }, query, ...call }) =>
    carriedOut(sql, await changeOf(sql, userId, { ...call, role, give: false }), {
      ...call,
      dryRun: query.dryRun,
    }),
});

type Change = {
  holder: Holder;
  role: string;
  give: boolean;
  after: string[];
  standing: { before: Rights; after: Rights };
};
type Asking = { tenantId: string; rights: Rights; role: string; give: boolean };

async function changeOf(sql: Sql, userId: string, { tenantId, rights, role, give }: Asking): Promise<Change> {
  const [known] = await sql('SELECT name FROM roles WHERE name = $1', [role]);
  if (!known) throw new Refusal('not-found', `There is no role ${role}; GET /v1/roles lists them.`);
  const holder = await holderById(sql, userId);
  if (!holder) throw new Error('bug: the person was loaded a moment ago');
  const others = holder.roles.filter((each) => each !== role);
  const after = give ? [...others, role] : others;
  const standing = {
    before: await rightsOfRoles(sql, tenantId, holder.roles),
    after: await rightsOfRoles(sql, tenantId, after),
  };
  insistHeld(rights, standing.before, `${holder.name}`);
  insistHeld(rights, await rightsOfRoles(sql, tenantId, [role]), 'This role');
  // Without a role that denied something, somebody may more.
  insistHeld(rights, standing.after, `What ${holder.name} could do then`);
  return { holder, role, give, after, standing };
}

type Acting = {
  tenantId: string;
  principal: { id: string };
  me: string;
  ids: readonly string[];
  rights: Rights;
  dryRun: boolean;
};

async function carriedOut(sql: Sql, change: Change, acting: Acting) {
  const { tenantId, principal, me, dryRun: dry } = acting;
  const { holder, role, give, after, standing } = change;
  const changed = give
    ? await assignRole(sql, holder.id, role, principal.id)
    : await unassignRole(sql, holder.id, role);
  // What is given may deny as well.
  if (holder.id === me) insistNoLockout(standing.after, 'assign');
  await insistAdministrator(sql, tenantId);
  if (dry)
    return { status: 200, body: await affectedBy(sql, [{ holder, ...standing }], acting), unchanged: true };
  const body = { userId: holder.id, roles: after.toSorted() };
  if (!changed) return { status: 200, body, unchanged: true };
  await rotateSessionsOf(sql, holder.id);
  const audit = {
    id: role,
    before: { roles: holder.roles },
    after: { roles: body.roles },
    details: { userId: holder.id, change: give ? 'given' : 'taken away' },
  };
  return { status: 200, body, audit };
}
