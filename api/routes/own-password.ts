import { z } from 'zod';
import { hashPassword } from '../../models/passwords.ts';
import { setPassword } from '../../models/tenant/password.ts';
import { endSessionsOf } from '../../models/tenant/session.ts';
import { Refusal } from '../../policies/refusal.ts';
import { ownAccount } from '../own.ts';
import { insistOnPassword, newPassword } from '../passwords.ts';
import { rotated } from '../session-token.ts';
import { insistPassword } from '../sign-in.ts';
import { tenantWrite } from '../tenant-route.ts';

export const changePassword = tenantWrite({
  method: 'post',
  path: '/me/password',
  tag: 'Me',
  summary: 'Change one’s password; all other sessions end, and this one gets a new token',
  permit: ['update', 'Password'],
  notStored: 'the answer holds a secret, and a second one is refused for the current password',
  body: z.strictObject({ currentPassword: z.string().max(200), newPassword }),
  answers: { 204: null },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant, principal, credential, body, tenantId, place, source }) => {
    const person = await ownAccount(tenant, principal, credential);
    await insistPassword(place, { ...person, source }, body.currentPassword);
    if (body.newPassword === body.currentPassword) throw samePassword();
    const chosen = { password: body.newPassword, tenantId, pointer: '/newPassword', person };
    await insistOnPassword(tenant.sql, chosen);
    await setPassword(tenant.sql, person.id, await hashPassword(body.newPassword));
    const sessionsEnded = await endSessionsOf(tenant.sql, person.id, credential.credentialId);
    return {
      status: 204,
      ...(await rotated(tenant, tenantId, credential.credentialId)),
      audit: { id: person.id, details: { sessionsEnded } },
    };
  },
});

function samePassword(): Refusal {
  return new Refusal('invalid-request', 'This is the password you have.', {
    errors: [{ pointer: '/newPassword', code: 'not-acceptable', detail: 'must not be the current password' }],
  });
}
