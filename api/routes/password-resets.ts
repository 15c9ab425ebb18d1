import { z } from 'zod';
import { auditInTenant } from '../../models/audit.ts';
import { forUpdate } from '../../models/batch.ts';
import { newId } from '../../models/ids.ts';
import { hashPassword } from '../../models/passwords.ts';
import { inTenant, type Place } from '../../models/scope.ts';
import { passwordHolder, setPassword } from '../../models/tenant/password.ts';
import {
  activePersonByEmail,
  openReset,
  resetByToken,
  useReset,
} from '../../models/tenant/password-reset.ts';
import { personById } from '../../models/tenant/person.ts';
import { endSessionsOf } from '../../models/tenant/session.ts';
import { fromHere, mayReset, rememberPlace } from '../../models/tenant/sign-in.ts';
import { readToken } from '../../models/tokens.ts';
import type { Principal } from '../../policies/principal.ts';
import { Refusal } from '../../policies/refusal.ts';
import { beginErrands } from '../errands.ts';
import { insistOnPassword, newPassword } from '../passwords.ts';
import { iso } from '../present.ts';
import { isGone } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import { insistOnReach } from '../reach.ts';
import type { Incoming } from '../route.ts';
import { id, moment } from '../shapes.ts';
import { agreedTenant, servedPlace } from '../tenant-context.ts';
import { tenantWrite } from '../tenant-route.ts';
import { bySubnet } from '../throttle.ts';

const tag = 'Passwords';
const repeatable = 'asking twice does no harm: the newest mail counts';

export const askForReset = publicRoute({
  method: 'post',
  path: '/password-resets',
  tag,
  summary:
    'Have the way to a new password mailed; the answer is the same whether the address is known or not',
  notStored: repeatable,
  body: z.strictObject({ email: z.string().max(254) }),
  answers: { 202: null },
  handle: async ({ body, incoming, source, requestId }) => {
    const tenantId = await agreedTenant(incoming.request, undefined);
    if (!tenantId)
      throw new Refusal('invalid-request', 'Say which organisation: by its host, X-Tenant or ?tenant=.');
    const place = await servedPlace(tenantId);
    if (!place) throw new Refusal('not-found', 'There is no such organisation.');
    // All that takes a time of its own comes after the answer.
    const mail = () => mailReset(place, body.email, { requestId, source });
    return { status: 202, afterCommit: () => mail().catch(goneOrLogged(incoming)) };
  },
});

/** In nobody's name: whoever asked has shown nothing of who they are. */
const anybody: Principal = { kind: 'system', id: 'system:reset-password' };

async function mailReset(
  place: Place,
  email: string,
  { requestId, source }: { requestId: string; source: string },
): Promise<void> {
  const { tenantId } = place;
  const userId = await inTenant(place, ({ sql }) => activePersonByEmail(sql, email));
  if (!userId || !(await mayReset(place, userId))) return;
  const start = await inTenant(place, async (tenant) => {
    const [{ state } = { state: '' }] = await tenant.sql<{ state: string }>('SELECT state FROM tenant');
    if (state !== 'active') return undefined;
    const reset = await openReset(tenant.sql, userId, anybody.id);
    const errand = { operationId: newId('op'), subjectId: reset.id };
    await auditInTenant(tenant.sql, {
      actor: { kind: 'anonymous' },
      action: 'reset Password',
      subject: { type: 'Password', id: userId },
      outcome: 'asked',
      rule: 'anybody may ask; the mail goes to the person',
      requestId,
      operationId: errand.operationId,
      source,
    });
    return beginErrands(tenant, { tenantId, kind: 'reset-password', principal: anybody, requestId }, [
      errand,
    ]);
  });
  await start?.();
}

/** The answer has left; what went wrong after it is for the operators alone. */
const goneOrLogged =
  ({ log }: Incoming) =>
  (cause: unknown): void => {
    if (!isGone(cause)) log.error({ error: String(cause) }, 'a password reset could not be mailed');
  };

export const takeReset = publicRoute({
  method: 'post',
  path: '/password-resets/:token',
  tag,
  summary: 'Choose a new password by the mailed token; all sessions end, a second factor stays as it is',
  notStored: 'the token is good once',
  params: z.strictObject({ token: z.string().max(200) }),
  body: z.strictObject({ password: newPassword }),
  answers: { 204: null },
  handle: async ({ params, body, incoming, source, requestId }) => {
    const { hash, place } = await resetOf(params.token, incoming);
    const email = await inTenant(place, async ({ sql }) => {
      const userId = await resetByToken(sql, hash);
      const person = userId && (await passwordHolder(sql, userId));
      if (!person) throw notValid();
      await insistOnPassword(sql, { password: body.password, tenantId: place.tenantId, person });
      return person.email;
    }).catch(goneIsNotValid);
    const secret = await hashPassword(body.password);
    await inTenant(place, async ({ sql }) => {
      const [{ state } = { state: '' }] = await sql<{ state: string }>('SELECT state FROM tenant');
      if (state !== 'active') throw new Refusal('tenant-suspended', `This organisation is ${state}.`);
      const used = await useReset(sql, hash);
      if (!used) throw notValid();
      await setPassword(sql, used.userId, secret);
      const sessionsEnded = await endSessionsOf(sql, used.userId);
      // Whoever reads the person's mail is the person: nobody's guessing keeps them out here.
      const subnet = bySubnet(source);
      await rememberPlace(sql, used.userId, subnet, fromHere(place, email, subnet));
      await auditInTenant(sql, {
        actor: { kind: 'user', id: used.userId, tenantId: place.tenantId },
        action: 'update Password',
        subject: { type: 'Password', id: used.userId },
        outcome: 'done',
        rule: 'whoever holds the mailed token',
        requestId,
        source,
        details: { resetId: used.id, sessionsEnded },
      });
    }).catch(goneIsNotValid);
    return { status: 204 };
  },
});

const notValid = () =>
  new Refusal('not-found', 'This link is not valid: it may be used, expired or overtaken by a newer one.');

function goneIsNotValid(cause: unknown): never {
  throw isGone(cause) ? notValid() : cause;
}

/** Every token that opens nothing is answered alike, whatever is wrong with it. */
async function resetOf(text: string, incoming: Incoming) {
  const token = readToken(text);
  const place = token?.kind === 'rst' ? await servedPlace(token.tenantId) : undefined;
  if (!token || !place) throw notValid();
  await agreedTenant(incoming.request, token.tenantId);
  return { ...token, place };
}

export const resetFor = tenantWrite({
  method: 'post',
  path: '/users/:userId/password-reset',
  tag,
  summary: 'Mail a person the way to a new password; their present one stays until they choose another',
  permit: ['reset', 'Password'],
  params: z.strictObject({ userId: id('usr') }),
  answers: { 202: z.object({ id: id('rst'), expiresAt: moment }).meta({ id: 'PasswordReset' }) },
  load: ({ params: { userId }, tenantId }) => forUpdate(personById(tenantId, userId)),
  handle: async ({ tenant, row, params: { userId }, requestId, ...acting }) => {
    const { tenantId, principal } = acting;
    await insistOnReach(tenant, acting, userId);
    if (row.state !== 'active')
      throw new Refusal(
        'conflict',
        `This person is ${row.state}; only an active one has a password to reset.`,
      );
    const reset = await openReset(tenant.sql, userId, principal.id);
    const errand = { operationId: newId('op'), subjectId: reset.id };
    const afterCommit = await beginErrands(
      tenant,
      { tenantId, kind: 'reset-password', principal, requestId },
      [errand],
    );
    return {
      status: 202,
      body: { id: reset.id, expiresAt: iso(reset.expiresAt) },
      audit: { id: userId, operationId: errand.operationId },
      afterCommit,
    };
  },
});
