import { z } from 'zod';
import { auditInTenant } from '../../models/audit.ts';
import { hashPassword } from '../../models/passwords.ts';
import { inTenant } from '../../models/scope.ts';
import { readToken } from '../../models/secrets.ts';
import { acceptInvitation } from '../../models/tenant/invitation.ts';
import { Refusal } from '../../policies/refusal.ts';
import { claim, idempotencyKeyOf, remember } from '../idempotency.ts';
import { isGone } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import type { Answer, Incoming } from '../route.ts';
import { id, line } from '../shapes.ts';
import { agreedTenant, servedPlace } from '../tenant-context.ts';
import { listingWorkspace } from '../workspace-listing.ts';

const passwordLengthMin = 10;
const route = 'post /invitations/:token/acceptance';

export const accept = publicRoute({
  method: 'post',
  path: '/invitations/:token/acceptance',
  tag: 'Sign-in',
  summary: 'Accept an invitation: choose a name and a password',
  params: z.strictObject({ token: z.string().max(200) }),
  body: z.strictObject({
    name: line(100),
    password: z
      .string()
      .min(passwordLengthMin, `must have at least ${passwordLengthMin} characters`)
      .max(200, 'must have at most 200 characters'),
  }),
  answers: { 201: z.object({ userId: id('usr'), tenantId: id('ten') }).meta({ id: 'Acceptance' }) },
  handle: async ({ params, body, requestId, source, incoming }) => {
    const { tenantId, hash, place } = await invited(params.token, incoming);
    const passwordHash = await hashPassword(body.password);
    const key = idempotencyKeyOf(incoming.request, `invitation ${hash}`, route);
    return inTenant(place, async (tenant): Promise<Answer> => {
      const replayed = key && (await claim(tenant.sql, key));
      if (replayed) return replayed;
      const [{ state } = { state: '' }] = await tenant.sql<{ state: string }>('SELECT state FROM tenant');
      if (state !== 'active') throw new Refusal('tenant-suspended', `This organisation is ${state}.`);
      const { userId, invitationId } = await acceptInvitation(tenant, hash, {
        name: body.name,
        passwordHash,
      });
      await auditInTenant(tenant.sql, {
        actor: { kind: 'user', id: userId, tenantId },
        action: 'accept Invitation',
        subject: { type: 'Invitation', id: invitationId },
        outcome: 'done',
        rule: 'whoever holds the mailed token',
        requestId,
        source,
      });
      const answer: Answer = { status: 201, body: { userId, tenantId } };
      if (key) await remember(tenant.sql, key, answer);
      return { ...answer, afterCommit: listingWorkspace(place, userId, incoming) };
    }).catch((cause: unknown) => {
      throw isGone(cause) ? notValid() : cause;
    });
  },
});

export const notValid = () =>
  new Refusal('not-found', 'This invitation is not valid: it may be used, expired or withdrawn.');

/** Every token that opens nothing is answered alike, whatever is wrong with it. */
export async function invited(text: string, incoming: Incoming) {
  const token = readToken(text);
  const place = token?.kind === 'inv' ? await servedPlace(token.tenantId) : undefined;
  if (!token || !place) throw notValid();
  await agreedTenant(incoming.request, token.tenantId);
  return { ...token, place };
}
