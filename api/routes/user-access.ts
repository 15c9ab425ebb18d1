import { z } from 'zod';
import type { Sql } from '../../models/scope.ts';
import { insistAdministrator } from '../../models/tenant/holders.ts';
import { revokeInvitationsBy } from '../../models/tenant/inviting.ts';
import { refuseHeldPerson } from '../../models/tenant/legal-hold.ts';
import { handOn, removeUser, serviceKeysBy, type Work, workOf } from '../../models/tenant/removal.ts';
import { insistSeats, lockSeats } from '../../models/tenant/seats.ts';
import { deactivateUser, reactivateUser, userById, userNow } from '../../models/tenant/user.ts';
import { type Visible, visibleTo } from '../../models/visible.ts';
import type { SubjectType } from '../../policies/permission.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { Rights } from '../../policies/rights.ts';
import { endErrands } from '../errands.ts';
import { etag } from '../present.ts';
import type { Answer } from '../route.ts';
import { dryRun, id } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';
import { lockPerson, shownUser, user, userParams } from '../users.ts';
import { leaveWorkspace } from '../workspace-listing.ts';

/** Ending and giving back a person's access. Whose access ends has their open invitations revoked: they were their word. */
const tag = 'Users';
const params = userParams;

const named = z.object({
  count: z.int(),
  sample: z.array(z.object({ id: z.string(), name: z.string() })),
});
const serviceKeys = named.meta({
  description:
    'Keys of services which they, or a key of theirs, made: these stay good. Revoke those you doubt.',
});
const deactivation = z
  .object({ would: z.object({ deactivate: user, serviceKeys }) })
  .meta({ id: 'Deactivation' });

export const deactivate = tenantWrite({
  method: 'post',
  path: '/users/:userId/deactivation',
  tag,
  summary:
    'Stop a person’s access at once: sessions end, keys are refused; what is theirs stays; ?dryRun=true names that',
  permit: ['deactivate', 'User'],
  inTurn: true,
  params,
  query: z.strictObject({ dryRun }),
  answers: { 200: z.union([user, deactivation]) },
  load: ({ params: { userId }, tenantId }) => userById(tenantId, userId),
  handle: async ({ tenant, params: { userId }, query, ...call }): Promise<Answer> => {
    const { tenantId, principal, requestId } = call;
    const before = await lockPerson(tenant, call, userId, 'deactivate');
    refuseUnless('active', String(before.state), deactivationHints);
    const reason = `the access of ${userId} ended`;
    const operationIds = await revokeInvitationsBy(tenant, userId, { by: principal, reason, requestId });
    const sessionsEnded = await deactivateUser(tenant.sql, userId);
    await insistAdministrator(tenant.sql, tenantId);
    if (query.dryRun) {
      const keys = await serviceKeysBy(tenant.sql, userId, seenBy(call)('ApiKey'));
      return { status: 200, body: { would: { deactivate: before, serviceKeys: keys } }, unchanged: true };
    }
    const after = await shownUser(tenant, tenantId, userId);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: {
        id: userId,
        before,
        after,
        details: { sessionsEnded, invitationsRevoked: operationIds.length },
      },
      afterCommit: async () => {
        await leaveWorkspace(tenantId, String(before.email));
        await endErrands({ tenantId, kind: 'invite-user', operationIds });
      },
    };
  },
});

export const reactivate = tenantWrite({
  method: 'post',
  path: '/users/:userId/reactivation',
  tag,
  summary: 'Give a deactivated person their access back',
  permit: ['reactivate', 'User'],
  inTurn: true,
  params,
  answers: { 200: user },
  load: ({ params: { userId }, tenantId }) => userById(tenantId, userId),
  handle: async ({ tenant, params: { userId }, ...call }) => {
    const { tenantId } = call;
    const before = await lockPerson(tenant, call, userId, 'reactivate');
    refuseUnless('inactive', String(before.state), reactivationHints);
    insistSeats(await lockSeats(tenant.sql), 1);
    await reactivateUser(tenant.sql, userId);
    const after = await shownUser(tenant, tenantId, userId);
    return { status: 200, body: after, headers: etag(after.version), audit: { id: userId, before, after } };
  },
});

const deactivationHints: Record<string, string> = {
  inactive: 'This person is deactivated already.',
  invited: 'This person has not joined yet; revoke their invitation instead.',
};
const reactivationHints: Record<string, string> = {
  active: 'This person is active already.',
  invited: 'This person has not joined yet; send their invitation again instead.',
};

function refuseUnless(wanted: string, state: string, hints: Record<string, string>): void {
  if (state !== wanted) throw new Refusal('conflict', hints[state] ?? `This person is ${state}.`);
}

const removal = z
  .object({
    would: z.object({
      remove: user,
      handOn: z.record(z.string(), named),
      to: id('usr').nullable(),
      serviceKeys,
    }),
  })
  .meta({ id: 'Removal' });

export const removePerson = tenantWrite({
  method: 'delete',
  path: '/users/:userId',
  tag,
  summary: 'Remove a person and hand what is theirs to another; ?dryRun=true says what that is',
  permit: ['delete', 'User'],
  inTurn: true,
  params,
  query: z.strictObject({
    handTo: id('usr').optional().meta({ description: 'The active person who shall have their work.' }),
    dryRun,
  }),
  answers: { 200: removal, 204: null },
  load: ({ params: { userId }, tenantId }) => userById(tenantId, userId),
  handle: async ({ tenant, params: { userId }, query, ...call }): Promise<Answer> => {
    const { tenantId, principal, requestId } = call;
    const { sql } = tenant;
    const seen = seenBy(call);
    const before = await lockPerson(tenant, call, userId, 'remove');
    await refuseHeldPerson(sql, userId);
    const work = await workOf(sql, userId, seen);
    const heir = await heirOf(sql, {
      tenantId,
      userId,
      handTo: query.handTo,
      needed: !query.dryRun && owns(work),
    });
    const reason = `${userId} was removed`;
    const keys = await serviceKeysBy(sql, userId, seen('ApiKey'));
    const revoked = await revokeInvitationsBy(tenant, userId, { by: principal, reason, requestId });
    if (heir) await handOn(sql, userId, heir);
    const waiting = await removeUser(sql, userId);
    await insistAdministrator(sql, tenantId);
    if (query.dryRun) {
      const would = { remove: before, handOn: work, to: heir ?? null, serviceKeys: keys };
      return { status: 200, body: { would }, unchanged: true };
    }
    return {
      status: 204,
      audit: { id: userId, before, after: { removed: true, handedOn: work, to: heir ?? null } },
      afterCommit: async () => {
        await leaveWorkspace(tenantId, String(before.email));
        await endErrands({ tenantId, kind: 'invite-user', operationIds: [...revoked, ...waiting] });
      },
    };
  },
});

type Seer = { rights: Rights; ids: readonly string[] };

const seenBy =
  ({ rights, ids }: Seer) =>
  (subject: SubjectType): Visible =>
    visibleTo(rights, subject, ids);

const owns = (work: Work) => Object.values(work).some(({ count }) => count > 0);

type Bequest = { tenantId: string; userId: string; handTo: string | undefined; needed: boolean };

async function heirOf(sql: Sql, { tenantId, userId, handTo, needed }: Bequest): Promise<string | undefined> {
  if (handTo === undefined) {
    if (!needed) return undefined;
    throw new Refusal(
      'conflict',
      'There is work that belongs to this person; name who shall have it: ?handTo=usr_…. ?dryRun=true lists it.',
    );
  }
  const heir = handTo === userId ? undefined : await userNow(sql, tenantId, handTo);
  if (heir?.state === 'active') return handTo;
  const detail = 'must be another person of this organisation who is active';
  throw new Refusal('unprocessable', 'What is theirs cannot be handed to this person.', {
    errors: [{ pointer: '?handTo', code: 'not-acceptable', detail }],
  });
}
