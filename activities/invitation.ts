import { keyringOf } from '../models/keyring.ts';
import { inTenant } from '../models/scope.ts';
import { digest } from '../models/secrets.ts';
import { markInvitationSent, setInvitationToken, unsentInvitation } from '../models/tenant/invitation.ts';
import {
  noteMailed,
  openInvitation,
  type Pending,
  settleInvitation,
  withdraw,
} from '../models/tenant/invitation-errand.ts';
import { tenantUrl } from '../models/tenant-address.ts';
import { activity, type Close, placeFor, type Step } from './activity.ts';
import { closeErrand } from './errand.ts';
import { deliver, minuteOf, senderOf } from './mail.ts';

/**
 * What an invitation does by mail and by time. The token is derived from the tenant's key, the invitation and its
 * errand, so a mail that has to be sent again carries the same one, and only its hash is ever stored.
 */
export const sendInvitation = activity(['create', 'Tenant'], async ({ tenantId }: Step, _by, requestId) => {
  const place = await placeFor(tenantId);
  const keyring = await keyringOf(place);
  const invitation = await inTenant(place, async (tenant) => {
    const unsent = await unsentInvitation(tenant);
    if (!unsent) return undefined;
    const token = keyring.token('inv', unsent.id);
    await setInvitationToken(tenant, unsent.id, digest(token));
    return { ...unsent, token };
  });
  if (!invitation) return;
  await mail(tenantId, invitation, {
    id: invitation.id,
    requestId,
    subject: (name) => `Your invitation to ${name}`,
    text: (name) =>
      `${name} is ready for you. Open this link to choose a password and become its first administrator:`,
  });
  await inTenant(place, (tenant) => markInvitationSent(tenant, invitation.id));
});

export type Inviting = Step & { invitationId: string };

/** When to remind and when it is over, from the row; neither once the invitation is no longer this errand's. */
export type Schedule = { remindAt?: string; expiresAt?: string };

export const mailInvitation = activity(
  ['create', 'Invitation'],
  async (inviting: Inviting, by, requestId): Promise<Schedule> => {
    const { tenantId, operationId, invitationId } = inviting;
    const place = await placeFor(tenantId);
    const token = await tokenOf(inviting);
    const pending = await inTenant(place, async (tenant) => {
      const found = await openInvitation(tenant, inviting);
      if (found) await setInvitationToken(tenant, invitationId, digest(token));
      return found;
    });
    if (!pending) return {};
    const { remindAt, expiresAt } = pending;
    if (!pending.sentAt) {
      await mail(
        tenantId,
        { ...pending, token },
        {
          id: `${invitationId}.${operationId}`,
          requestId,
          subject: (name) => `Your invitation to ${name}`,
          text: (name) => `You are invited to ${name}. Open this link to choose a password and join:`,
        },
      );
      await inTenant(place, (tenant) => noteMailed(tenant, inviting, 'sent_at', by));
    }
    return { remindAt: remindAt.toISOString(), expiresAt: expiresAt.toISOString() };
  },
);

/** Once, and only while there is something to remind of; says whether there still is. */
export const remindInvited = activity(['create', 'Invitation'], async (inviting: Inviting, by, requestId) => {
  const { tenantId, operationId, invitationId } = inviting;
  const place = await placeFor(tenantId);
  const pending = await inTenant(place, (tenant) => openInvitation(tenant, inviting));
  if (!pending) return { pending: false };
  // Whoever follows the link of a suspended organisation is turned away; that is no thing to remind of.
  if (pending.tenantState !== 'active' || pending.remindedAt) return { pending: true };
  await mail(
    tenantId,
    { ...pending, token: await tokenOf(inviting) },
    {
      id: `${invitationId}.${operationId}.reminder`,
      requestId,
      subject: (name) => `Reminder: your invitation to ${name}`,
      text: (name) =>
        `Your invitation to ${name} is still waiting for you. Open this link to choose a password and join:`,
    },
  );
  await inTenant(place, (tenant) => noteMailed(tenant, inviting, 'reminded_at', by));
  return { pending: true };
});

export type ClosingInvitation = Close & { invitationId: string };

/** However it came out: accepted, revoked, sent again by another errand, or expired, which this step makes of it. */
export const closeInvitation = activity(
  ['revoke', 'Invitation'],
  async ({ invitationId, ...close }: ClosingInvitation, by) => {
    const { tenantId, operationId } = close;
    const outcome = await inTenant(await placeFor(tenantId), (tenant) =>
      settleInvitation(tenant, { invitationId, operationId }, by),
    );
    if (!outcome) throw new Error('The invitation is still open.');
    const subject = { type: 'Invitation', id: invitationId };
    await closeErrand({ close, by, state: 'succeeded', subject, result: { outcome } });
  },
);

export type Withdrawing = ClosingInvitation & { outcome: 'failed' | 'cancelled'; reason: string };

/** An invitation that could not be sent, or whose inviter may no longer invite, opens nothing from now on. */
export const withdrawInvitation = activity(
  ['revoke', 'Invitation'],
  async ({ invitationId, outcome, reason, ...close }: Withdrawing, by) => {
    const { tenantId, operationId } = close;
    await inTenant(await placeFor(tenantId), (tenant) =>
      withdraw(tenant, { invitationId, operationId }, { by, reason }),
    );
    const subject = { type: 'Invitation', id: invitationId };
    await closeErrand({ close, by, state: outcome, subject, reason });
  },
);

async function tokenOf({ tenantId, operationId, invitationId }: Inviting): Promise<string> {
  const keyring = await keyringOf(await placeFor(tenantId));
  return keyring.token('inv', `${invitationId}/${operationId}`);
}

type Addressed = Pick<Pending, 'email' | 'name' | 'expiresAt'> & { token: string };
type Wording = {
  id: string;
  requestId: string | undefined;
  subject: (name: string) => string;
  text: (name: string) => string;
};

async function mail(
  tenantId: string,
  to: Addressed,
  { id, requestId, subject, text }: Wording,
): Promise<void> {
  const sender = await senderOf(tenantId);
  await deliver({
    id,
    requestId,
    to: { name: to.name, address: to.email },
    subject: subject(sender.name),
    text: `Hello ${to.name},

${text(sender.name)}

${tenantUrl(sender.slug, `/invitations/${to.token}`)}

The link works once, until ${minuteOf(to.expiresAt)} UTC. If you did not expect this mail, do nothing.
`,
  });
}
