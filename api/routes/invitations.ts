import { z } from 'zod';
import { auditInTenant } from '../../models/audit.ts';
import { hashPassword, passwordMatches } from '../../models/passwords.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { acceptInvitation, invitedBy } from '../../models/tenant/acceptance.ts';
import { readToken } from '../../models/tokens.ts';
import { Refusal } from '../../policies/refusal.ts';
import { endErrands } from '../errands.ts';
import { claim, idempotencyKeyOf, remember } from '../idempotency.ts';
import { insistOnPassword, newPassword } from '../passwords.ts';
import { isGone } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import type { Answer, Incoming } from '../route.ts';
import { id, line } from '../shapes.ts';
import { provenAgain } from '../sign-in.ts';
import { agreedTenant, servedPlace } from '../tenant-context.ts';
import { listingWorkspace } from '../workspace-listing.ts';

const route = 'post /invitations/:token/acceptance';

export const accept = publicRoute({
  method: 'post',
  path: '/invitations/:token/acceptance',
  tag: 'Sign-in',
  summary: 'Accept an invitation: choose a name and a password',
  params: z.strictObject({ token: z.string().max(200) }),
  body: z.strictObject({
    name: line(100),
    password: newPassword,
  }),
  answers: { 201: z.object({ userId: id('usr'), tenantId: id('ten') }).meta({ id: 'Acceptance' }) },
  handle: async ({ params, body, requestId, source, incoming }) => {
    const { tenantId, hash, place } = await invited(params.token, incoming);
    const passwordHash = await passwordFor(place, hash, { ...body, source });
    const key = idempotencyKeyOf(incoming.request, `invitation ${hash}`, route);
    return inTenant(place, async (tenant): Promise<Answer> => {
      const replayed = key && (await claim(tenant.sql, key));
      if (replayed) return replayed;
      const [{ state } = { state: '' }] = await tenant.sql<{ state: string }>('SELECT state FROM tenant');
      if (state !== 'active') throw new Refusal('tenant-suspended', `This organisation is ${state}.`);
      const given = { name: body.name, passwordHash };
      const accepted = await acceptInvitation(tenant, tenantId, hash, given);
      const { userId, invitationId, roles, operationId } = accepted;
      await auditInTenant(tenant.sql, {
        actor: { kind: 'user', id: userId, tenantId },
        action: 'accept Invitation',
        subject: { type: 'Invitation', id: invitationId },
        outcome: 'done',
        rule: 'whoever holds the mailed token',
        requestId,
        source,
        before: { state: 'pending' },
        after: { state: 'accepted', userId, roles },
      });
      const answer: Answer = { status: 201, body: { userId, tenantId } };
      if (key) await remember(tenant.sql, key, answer);
      const list = listingWorkspace(place, userId, incoming);
      const afterCommit = async () => {
        await list();
        await endErrands({ tenantId, kind: 'invite-user', operationIds: [operationId] });
      };
      return { ...answer, afterCommit };
    }).catch((cause: unknown) => {
      throw isGone(cause) ? notValid() : cause;
    });
  },
});

export const notValid = () =>
  new Refusal('not-found', 'This invitation is not valid: it may be used, expired or withdrawn.');

/**
 * The hash of a new password; of somebody who is a member already the one they have is asked for, and stays. Before the
 * transaction, which is not to wait for it.
 */
async function passwordFor(
  place: Place,
  hash: string,
  { name, password, source }: { name: string; password: string; source: string },
): Promise<string | undefined> {
  const invited = await inTenant(place, (tenant) => invitedBy(tenant, hash)).catch((cause: unknown) => {
    // Used up is told where a stored answer can still be found (Idempotency-Key).
    if ((cause instanceof Refusal && cause.code === 'not-found') || isGone(cause)) return undefined;
    throw cause;
  });
  if (invited?.userState !== 'active') {
    const { tenantId } = place;
    const person = invited && { name, email: invited.email };
    if (person) await inTenant(place, ({ sql }) => insistOnPassword(sql, { password, tenantId, person }));
    return hashPassword(password);
  }
  const proven = await provenAgain(place, { email: invited.email, source }, () =>
    passwordMatches(invited.secret ?? undefined, password),
  );
  if (proven) return undefined;
  throw new Refusal('unauthenticated', 'You are a member already: give the password you have.');
}

/** Every token that opens nothing is answered alike, whatever is wrong with it. */
export async function invited(text: string, incoming: Incoming) {
  const token = readToken(text);
  const place = token?.kind === 'inv' ? await servedPlace(token.tenantId) : undefined;
  if (!token || !place) throw notValid();
  await agreedTenant(incoming.request, token.tenantId);
  return { ...token, place };
}
