import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { config } from '../../models/databases.ts';
import { Refusal } from '../../policies/refusal.ts';
import { platformRead } from '../platform-route.ts';
import { limit } from '../shapes.ts';

/** The built-in mailbox of the embedded mode, newest mail first; there is none where a real mail server is configured. */
export const readMailbox = platformRead({
  method: 'get',
  path: '/mailbox',
  tag: 'Embedded mode',
  summary: 'Mails the embedded mode has sent, newest first',
  permit: ['read', 'Mailbox'],
  query: z.strictObject({ limit }),
  answers: {
    200: z.object({
      items: z.array(
        z.object({
          to: z.string(),
          subject: z.string(),
          date: z.string(),
          text: z.string(),
          links: z.array(z.string()),
        }),
      ),
    }),
  },
  handle: async ({ query }) => {
    const { mailboxDir } = config().mail;
    if (!mailboxDir)
      throw new Refusal('not-found', 'Mail is really sent here; there is no built-in mailbox.');
    const names = (await readdir(mailboxDir))
      .filter((name) => name.endsWith('.eml'))
      .sort()
      .reverse();
    return {
      status: 200,
      body: {
        items: await Promise.all(names.slice(0, query.limit).map((name) => mail(join(mailboxDir, name)))),
      },
    };
  },
});

async function mail(file: string) {
  // Here and not above: it takes 30 MB, which an API that really sends its mail never needs.
  const { simpleParser } = await import('mailparser');
  const { to, subject = '', date, text = '' } = await simpleParser(await readFile(file));
  const recipients = [to ?? []].flat().map((address) => address.text);
  return {
    to: recipients.join(', '),
    subject,
    date: date?.toISOString() ?? '',
    text,
    links: text.match(/https?:\/\/\S+/g) ?? [],
  };
}
