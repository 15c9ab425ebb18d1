import { createTransport, type SendMailOptions, type Transporter } from 'nodemailer';
import { config } from '../models/databases.ts';
import { inTenant, readInSystem } from '../models/scope.ts';
import { derivedToken, digest } from '../models/secrets.ts';
import { tenantById } from '../models/system/tenant.ts';
import { markInvitationSent, setInvitationToken, unsentInvitation } from '../models/tenant/invitation.ts';
import { tenantUrl } from '../models/tenant-address.ts';
import { tenantKey } from '../models/tenant-key.ts';
import { activity, placeFor, type Step } from './activity.ts';

/** The only sender of mail. Addresses are given as objects, so that no name can smuggle in a second recipient. */
const timeouts = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000 };

let transport: Transporter | undefined;
function mailer(): Transporter {
  transport ??= createTransport({ url: config().mail.smtpUrl, pool: true, maxConnections: 2, ...timeouts });
  return transport;
}

export type Mail = Required<Pick<SendMailOptions, 'subject' | 'text'>> & {
  to: { name: string; address: string };
  /** The same for a mail that is sent again, so that who receives both can tell. */
  id: string;
  requestId?: string | undefined;
};

/** Says by which request it was sent; `requestIdPattern` lets nothing through that could be a header more. */
export async function deliver({ id, requestId, ...mail }: Mail): Promise<void> {
  await mailer().sendMail({
    ...mail,
    from: config().mail.from,
    messageId: `<${id}@${config().http.baseDomain}>`,
    ...(requestId && { headers: { 'X-Request-Id': requestId } }),
  });
}

/**
 * Mails the first administrator's invitation. The token is derived from the tenant's key and the invitation, so a
 * mail that has to be sent again carries the same one, and only its hash is ever stored.
 */
export const sendInvitation = activity(['create', 'Tenant'], async ({ tenantId }: Step, _by, requestId) => {
  const place = await placeFor(tenantId);
  const key = await tenantKey(place);
  const invitation = await inTenant(place, async (tenant) => {
    const unsent = await unsentInvitation(tenant);
    if (!unsent) return undefined;
    const token = derivedToken('inv', tenantId, key, unsent.id);
    await setInvitationToken(tenant, unsent.id, digest(token));
    return { ...unsent, token };
  });
  if (!invitation) return;
  const [rows] = await readInSystem(tenantId, [tenantById(tenantId)]);
  const { slug, name } = rows?.[0] ?? {};
  const link = tenantUrl(String(slug), `/invitations/${invitation.token}`);
  await deliver({
    id: invitation.id,
    to: { name: invitation.name, address: invitation.email },
    subject: `Your invitation to ${name}`,
    text: invitationText(String(name), invitation, link),
    requestId,
  });
  await inTenant(place, (tenant) => markInvitationSent(tenant, invitation.id));
});

function invitationText(organisation: string, to: { name: string; expiresAt: Date }, link: string): string {
  return `Hello ${to.name},

${organisation} is ready for you. Open this link to choose a password and become its first administrator:

${link}

The link works once, until ${to.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC. If you did not expect this mail, do nothing.
`;
}
