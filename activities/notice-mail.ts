import { inTenant } from '../models/scope.ts';
import { markMailed, type NoticeMail, pendingMails } from '../models/tenant/notice-outbox.ts';
import { log } from '../telemetry.ts';
import { activity, placeFor } from './activity.ts';
import { deliver, senderOf } from './mail.ts';

/**
 * Mails what people of an organisation were told. The row says what is still to be mailed, so a mail is sent again only
 * when the note of it was lost, and then under the same Message-ID. An address that takes none keeps the others waiting
 * for nothing.
 */
export type Mailing = { of: string };

export const mailNotices = activity(
  ['meter', 'Platform'],
  async ({ of }: Mailing): Promise<{ sent: number }> => {
    const place = await placeFor(of);
    const mails = await inTenant(place, ({ sql }) => pendingMails(sql));
    if (mails.length === 0) return { sent: 0 };
    const { name } = await senderOf(of);
    const failed: unknown[] = [];
    for (const mail of mails) {
      try {
        await send(mail, name);
        await inTenant(place, ({ sql }) => markMailed(sql, mail.id));
      } catch (error) {
        log.warn({ tenantId: of, notificationId: mail.id, error: String(error) }, 'a notice was not mailed');
        failed.push(error);
      }
    }
    if (failed.length > 0) throw new Error(`${failed.length} of ${mails.length} notices were not mailed.`);
    return { sent: mails.length };
  },
);

async function send({ id, to, subject, text }: NoticeMail, from: string): Promise<void> {
  await deliver({
    id,
    to,
    subject: `${from}: ${subject}`,
    text: `Hello ${to.name},

${text}

All of this stands under GET /v1/notifications as well.
`,
  });
}
