import { z } from 'zod';
import { schemaOf } from '../../models/ids.ts';
import { readInSystem, readInTenant } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { tenantHost } from '../../models/tenant-address.ts';
import { iso } from '../present.ts';
import { isGone } from '../principal.ts';
import { publicRoute } from '../public-route.ts';
import { moment } from '../shapes.ts';
import { invited, notValid } from './invitations.ts';

/** For the page the invitation's link leads to: nobody should choose a password without knowing for what. */
export const readInvitingOrganisation = publicRoute({
  method: 'get',
  path: '/invitations/:token/organisation',
  tag: 'Sign-in',
  summary: 'Who invites: told to whoever holds the mailed token, as long as it can be accepted',
  params: z.strictObject({ token: z.string().max(200) }),
  answers: {
    200: z
      .object({ name: z.string(), host: z.string(), expiresAt: moment })
      .meta({ id: 'InvitingOrganisation' }),
  },
  handle: async ({ params, incoming }) => {
    const { tenantId, hash, place } = await invited(params.token, incoming);
    const [[invitation] = []] = await readInTenant(place, [
      {
        text: `SELECT expires_at FROM ${schemaOf(tenantId)}.invitations
               WHERE token_hash = $1 AND state = 'pending' AND expires_at > now()`,
        values: [hash],
      },
    ]).catch((cause: unknown) => {
      throw isGone(cause) ? notValid() : cause;
    });
    const [[tenant] = []] = await readInSystem(tenantId, [tenantById(tenantId)]);
    if (!invitation || !tenant) throw notValid();
    const host = tenantHost(String(tenant.slug));
    return { status: 200, body: { name: String(tenant.name), host, expiresAt: iso(invitation.expires_at) } };
  },
});
