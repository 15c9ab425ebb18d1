import { z } from 'zod';
import { newId } from '../../models/ids.ts';
import type { TenantScope } from '../../models/scope.ts';
import { invitationById } from '../../models/tenant/invitation-list.ts';
import { grantJudge } from '../../models/tenant/invitees.ts';
import { promiseAnew, revokeInvitation } from '../../models/tenant/inviting.ts';
import { rightsOfRoles } from '../../models/tenant/rights.ts';
import { insistHeld } from '../../models/tenant/role.ts';
import { insistSeats, lockSeats } from '../../models/tenant/seats.ts';
import { Refusal } from '../../policies/refusal.ts';
import { beginErrands, endErrands } from '../errands.ts';
import { invitation, refuseInvitee, shownInvitation } from '../invitations.ts';
import { etag } from '../present.ts';
import { requireVersion } from '../route.ts';
import { id } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';

const tag = 'Invitations';
const params = z.strictObject({ invitationId: id('inv') });

/** Whoever is mailed is not to be mailed again at once: the first may still be on its way. */
const resentAfterSeconds = 60;

export const resendInvitation = tenantWrite({
  method: 'post',
  path: '/invitations/:invitationId/resend',
  tag,
  summary: 'Send an open or expired invitation again, with a new link; the old one opens nothing any more',
  permit: ['update', 'Invitation'],
  inTurn: true,
  params,
  answers: { 200: invitation },
  load: ({ params: { invitationId }, tenantId }) => invitationById(tenantId, invitationId),
  handle: async ({
    tenant,
    params: { invitationId },
    rights,
    principal,
    tenantId,
    requestId,
    insist,
    ...call
  }) => {
    const seats = await lockSeats(tenant.sql);
    const before = await lockInvitation(tenant, tenantId, invitationId);
    requireVersion(call, Number(before.version));
    // Its errand mails in the name of whoever sends it again, so they have to be somebody who may invite.
    insist('create', before);
    refuseUnlessOpen(before, ['pending', 'expired'], 'sent again');
    refuseTooSoon(before.issuedAt);
    const { email, roles } = invited(before);
    const judge = await grantJudge(tenant.sql, { tenantId, rights }, [{ roles }]);
    refuseInvitee(await judge({ email, roles }));
    if (before.state === 'expired') insistSeats(seats, 1);
    const operationId = newId('op');
    await promiseAnew(tenant, invitationId, { operationId, by: principal });
    const after = await shownInvitation(tenant, tenantId, invitationId);
    const asked = { tenantId, kind: 'invite-user' as const, principal, requestId };
    const start = await beginErrands(tenant, asked, [{ operationId, subjectId: invitationId }]);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id: invitationId, before, after },
      afterCommit: async () => {
        await start();
        await endErrands({ tenantId, kind: 'invite-user', operationIds: [invited(before).operationId] });
      },
    };
  },
});

export const revoke = tenantWrite({
  method: 'post',
  path: '/invitations/:invitationId/revocation',
  tag,
  summary: 'Take an open invitation back',
  permit: ['revoke', 'Invitation'],
  inTurn: true,
  params,
  answers: { 200: invitation },
  load: ({ params: { invitationId }, tenantId }) => invitationById(tenantId, invitationId),
  handle: async ({ tenant, params: { invitationId }, rights, tenantId, ...call }) => {
    const before = await lockInvitation(tenant, tenantId, invitationId);
    requireVersion(call, Number(before.version));
    refuseUnlessOpen(before, ['pending'], 'revoked');
    const offered = await rightsOfRoles(tenant.sql, tenantId, invited(before).roles);
    insistHeld(rights, offered, 'This invitation');
    await revokeInvitation(tenant, invitationId);
    const after = await shownInvitation(tenant, tenantId, invitationId);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id: invitationId, before, after },
      afterCommit: () =>
        endErrands({ tenantId, kind: 'invite-user', operationIds: [invited(before).operationId] }),
    };
  },
});

/** As it stands now that nobody else can change it: accepting waits for the same row. */
async function lockInvitation(tenant: TenantScope, tenantId: string, invitationId: string) {
  await tenant.sql('SELECT id FROM invitations WHERE id = $1 FOR UPDATE', [invitationId]);
  return shownInvitation(tenant, tenantId, invitationId);
}

type Shown = Awaited<ReturnType<typeof shownInvitation>>;

// As the statement behind it reads them: text, and text[].
const invited = ({ email, roles, operationId }: Shown) => ({
  email: String(email),
  roles: roles as string[],
  operationId: operationId === null ? null : String(operationId),
});

function refuseUnlessOpen({ state }: Shown, open: string[], what: string): void {
  if (open.includes(String(state))) return;
  throw new Refusal(
    'conflict',
    `This invitation is ${state}; only a ${open.join(' or ')} one can be ${what}.`,
  );
}

function refuseTooSoon(issuedAt: string | null): void {
  const waited = (Date.now() - Date.parse(issuedAt ?? '')) / 1000;
  if (!(waited < resentAfterSeconds)) return;
  const retryAfterSeconds = Math.ceil(resentAfterSeconds - waited);
  throw new Refusal(
    'rate-limited',
    `It was sent less than a minute ago and may still be on its way; try again in ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  );
}
