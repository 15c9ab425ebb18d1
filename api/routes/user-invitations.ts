import { z } from 'zod';
import { invitationById, invitationList, invitationStates } from '../../models/tenant/invitation-list.ts';
import { faultsOfInvitees } from '../../models/tenant/invitees.ts';
import { insistSeats, lockSeats } from '../../models/tenant/seats.ts';
import {
  invitation,
  inviteAll,
  invitee,
  presentInvitation,
  refuseInvitee,
  shownInvitation,
} from '../invitations.ts';
import { etag, presentPage } from '../present.ts';
import type { Answer } from '../route.ts';
import { id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Invitations';

export const inviteUser = tenantWrite({
  method: 'post',
  path: '/invitations',
  tag,
  summary: 'Invite a person, who joins with these roles',
  permit: ['create', 'Invitation'],
  inTurn: true,
  body: invitee,
  answers: { 201: invitation },
  handle: async ({ tenant, body, rights, ...call }): Promise<Answer> => {
    const { tenantId } = call;
    const seats = await lockSeats(tenant.sql);
    const [faults = []] = await faultsOfInvitees(tenant.sql, { tenantId, rights }, [body]);
    refuseInvitee(faults);
    insistSeats(seats, 1);
    const { ids, begin } = await inviteAll(tenant, call, [body]);
    const [made = ''] = ids;
    const after = await shownInvitation(tenant, tenantId, made);
    return {
      status: 201,
      body: after,
      headers: { ...etag(after.version), Location: `/v1/invitations/${made}` },
      audit: { id: made, after },
      afterCommit: await begin(),
    };
  },
});

export const listInvitations = tenantRead({
  method: 'get',
  path: '/invitations',
  tag,
  summary: 'List invitations, newest first',
  permit: ['read', 'Invitation'],
  query: z.strictObject({ ...pagingBy('inv'), state: z.enum(invitationStates).optional() }),
  answers: { 200: page(invitation) },
  filtered: true,
  load: ({ query, tenantId, visible }) =>
    invitationList(tenantId, query, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentInvitation) }),
});

export const readInvitation = tenantRead({
  method: 'get',
  path: '/invitations/:invitationId',
  tag,
  summary: 'Read an invitation and what became of it',
  permit: ['read', 'Invitation'],
  params: z.strictObject({ invitationId: id('inv') }),
  answers: { 200: invitation },
  load: ({ params: { invitationId }, tenantId }) => invitationById(tenantId, invitationId),
  handle: ({ row }) => ({ status: 200, body: presentInvitation(row), headers: etag(row.version) }),
});
