import { createTransport, type Transporter } from 'nodemailer';
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

export type Mail = {
  /** Ids only: mailed again after a lost reply, it is the same mail to whoever receives both. */
  id: string;
  to: { name: string; address: string };
  subject: string;
  text: string;
};

export async function deliver({ id, ...mail }: Mail): Promise<void> {
  const messageId = `<${id}@${config().http.baseDomain}>`;
  await mailer().sendMail({ from: config().mail.from, messageId, ...mail });
}

export type Sender = { name: string; slug: string };

/** The organisation a mail comes from, as the directory has it today. */
export async function senderOf(tenantId: string): Promise<Sender> {
  const [rows] = await readInSystem(tenantId, [tenantById(tenantId)]);
  const { slug, name } = rows?.[0] ?? {};
  return { name: String(name), slug: String(slug) };
}

/** On the tenant's own host, so that the person arrives inside the right tenant. */
export function linkTo({ slug }: Sender, pathname: string): string {
  const url = new URL(config().publicUrl);
  url.hostname = `${slug}.${config().http.baseDomain}`;
  url.pathname = pathname;
  return url.toString();
}

export const minuteOf = (moment: Date): string => moment.toISOString().slice(0, 16).replace('T', ' ');
