import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { readInSystem, type Sql } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { personById } from '../../models/tenant/person.ts';
import {
  confirmFactor,
  hasFactor,
  proposeFactor,
  removeFactor,
  useCode,
} from '../../models/tenant/second-factor.ts';
import { securityPolicyOf } from '../../models/tenant/security-policy.ts';
import { endSessionsOf, enrolSessionsOf, fullSession, openedToEnrol } from '../../models/tenant/session.ts';
import { Refusal } from '../../policies/refusal.ts';
import { ownAccount } from '../own.ts';
import { insistOnReach } from '../reach.ts';
import { rotated } from '../session-token.ts';
import { id } from '../shapes.ts';
import { insistPassword, insistProven } from '../sign-in.ts';
import { tenantWrite } from '../tenant-route.ts';

const tag = 'Second factor';
const code = z.string().min(1, 'must not be empty').max(40);
const notStored = 'the answer holds a secret';
const own = ({ me }: { me: string }) => ({ ownerId: me });

export const setUpFactor = tenantWrite({
  method: 'post',
  path: '/me/second-factor',
  tag,
  summary:
    'Begin to set up an authenticator app, by the current password; it counts once a code of it was confirmed',
  permit: ['update', 'SecondFactor'],
  duringEnrolment: true,
  notStored,
  body: z.strictObject({
    currentPassword: z.string().max(200).optional().meta({
      description: 'Not needed right after signing in to an organisation that asks for a second factor.',
    }),
  }),
  answers: {
    201: z
      .object({ secret: z.string(), uri: z.string().meta({ description: 'otpauth://, for a QR code' }) })
      .meta({ id: 'PendingSecondFactor' }),
  },
  makes: own,
  handle: async ({ tenant, principal, credential, body, place, source }) => {
    const person = await ownAccount(tenant, principal, credential);
    if (!(await openedToEnrol(tenant.sql, credential.credentialId))) {
      const { currentPassword } = body;
      if (currentPassword === undefined)
        throw notRight('/currentPassword', 'must be given: a second factor is set up by the password');
      await insistPassword(place, { ...person, source }, currentPassword);
    }
    const [rows] = await readInSystem(place.tenantId, [tenantById(place.tenantId)]);
    const organisation = String(rows?.[0]?.name ?? 'Freehold');
    const pending = await proposeFactor(tenant.sql, place, { ...person, organisation });
    if (!pending)
      throw new Refusal(
        'conflict',
        'You have a second factor; remove it first: DELETE /v1/me/second-factor.',
      );
    return { status: 201, body: pending, audit: { id: person.id, after: { confirmed: false } } };
  },
});

export const confirmSecondFactor = tenantWrite({
  method: 'post',
  path: '/me/second-factor/confirmation',
  tag,
  summary: 'Prove that the app gives the right codes; the recovery codes are shown this once',
  permit: ['update', 'SecondFactor'],
  duringEnrolment: true,
  notStored,
  body: z.strictObject({ code }),
  answers: { 200: z.object({ recoveryCodes: z.array(z.string()) }).meta({ id: 'RecoveryCodes' }) },
  makes: own,
  handle: async ({ tenant, principal, credential, body, tenantId, place }) => {
    const person = await ownAccount(tenant, principal, credential);
    const recoveryCodes = await confirmFactor(tenant.sql, place, person.id, body.code);
    if (recoveryCodes === 'none')
      throw new Refusal('conflict', 'There is none to confirm; begin with POST /v1/me/second-factor.');
    if (recoveryCodes === 'wrong') throw notRight('/code', 'is not the code that the app shows now');
    await fullSession(tenant.sql, person.id, credential.credentialId);
    return {
      status: 200,
      body: { recoveryCodes },
      ...(await rotated(tenant, tenantId, credential.credentialId)),
      audit: { id: person.id, before: { confirmed: false }, after: { confirmed: true } },
    };
  },
});

export const removeOwnFactor = tenantWrite({
  method: 'delete',
  path: '/me/second-factor',
  tag,
  summary: 'Remove one’s second factor, by the current password or a code',
  permit: ['delete', 'SecondFactor'],
  body: z.strictObject({ currentPassword: z.string().max(200).optional(), code: code.optional() }),
  answers: { 204: null },
  makes: own,
  handle: async ({ tenant, principal, credential, body, place, source, tenantId }) => {
    const person = await ownAccount(tenant, principal, credential);
    const { currentPassword, code } = body;
    if ((currentPassword === undefined) === (code === undefined))
      throw notRight('/code', 'must be a code of the app, or give currentPassword; one of the two');
    const confirmed = await hasFactor(tenant.sql, person.id);
    const who = { ...person, source };
    const asked = { pointer: '/code', detail: 'is not right, or was used before' };
    if (code === undefined) await insistPassword(place, who, currentPassword ?? '');
    else await insistProven(place, who, asked, () => useCode(tenant.sql, place, person.id, code));
    if (!(await removeFactor(tenant.sql, person.id)))
      throw new Refusal('not-found', 'You have no second factor.');
    await withoutFactor(tenant.sql, person.id);
    return {
      status: 204,
      ...(await rotated(tenant, tenantId, credential.credentialId)),
      audit: { id: person.id, before: { confirmed } },
    };
  },
});

/** Where the organisation asks for one, sessions without one go back to setting it up. */
async function withoutFactor(sql: Sql, userId: string): Promise<void> {
  const { requireSecondFactor } = await securityPolicyOf(sql);
  if (requireSecondFactor) await enrolSessionsOf(sql, userId);
}

export const removeFactorOf = tenantWrite({
  method: 'delete',
  path: '/users/:userId/second-factor',
  tag,
  summary: 'Take away a person’s second factor that was lost; their sessions end',
  permit: ['delete', 'SecondFactor'],
  params: z.strictObject({ userId: id('usr') }),
  answers: { 204: null },
  load: ({ params: { userId }, tenantId }) => forUpdate(personById(tenantId, userId)),
  handle: async ({ tenant, params: { userId }, ...acting }) => {
    if (acting.me === userId)
      throw new Refusal(
        'conflict',
        'Remove your own with DELETE /v1/me/second-factor, which asks who you are.',
      );
    await insistOnReach(tenant, acting, userId);
    const confirmed = await hasFactor(tenant.sql, userId);
    if (!(await removeFactor(tenant.sql, userId)))
      throw new Refusal('conflict', 'This person has no second factor.');
    // Whoever lost it may have lost more than that.
    const sessionsEnded = await endSessionsOf(tenant.sql, userId);
    return { status: 204, audit: { id: userId, before: { confirmed }, details: { sessionsEnded } } };
  },
});

function notRight(pointer: string, detail: string): Refusal {
  return new Refusal('invalid-request', 'What proves that it is you is not right.', {
    errors: [{ pointer, code: 'not-acceptable', detail }],
  });
}
