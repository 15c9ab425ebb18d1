import { createTransport, type SendMailOptions, type Transporter } from 'nodemailer';
import { config } from '../models/databases.ts';
import { readInSystem } from '../models/scope.ts';
import { tenantById } from '../models/system/tenant.ts';

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

export type Sender = { name: string; slug: string };

/** The organisation a mail comes from, as the directory has it today. */
export async function senderOf(tenantId: string): Promise<Sender> {
  const [rows] = await readInSystem(tenantId, [tenantById(tenantId)]);
  const { slug, name } = rows?.[0] ?? {};
  return { name: String(name), slug: String(slug) };
}

export const minuteOf = (moment: Date): string => moment.toISOString().slice(0, 16).replace('T', ' ');
