import type { Text } from '../../policies/notice-text.ts';
import type { Row } from '../batch.ts';
import { keyringWithin } from '../keyring.ts';
import type { Sql } from '../scope.ts';
import { type NoticeData, noticeColumns, noticeJoins, noticeText } from './notice-facts.ts';
import { emailOf, nameOf, type SealedPerson } from './person.ts';
import { topConsumers } from './usage-top.ts';

/** Notifications whose mail is still to be sent. What is a day late says nothing true any more, and is not sent. */
const mailedWithinHours = 24;
const atOnceMax = 20;

export type NoticeMail = { id: string; to: { name: string; address: string } } & Text;

type Pending = Row & SealedPerson & { id: string; owner_id: string; kind: string; data: NoticeData };

/** The oldest of them, as they are to be sent; none while the organisation is suspended. */
export async function pendingMails(sql: Sql): Promise<NoticeMail[]> {
  const [tenant] = await sql<{ state: string }>('SELECT state FROM tenant');
  if (tenant?.state !== 'active') return [];
  await sql(
    `UPDATE notifications n SET mail = 'none' WHERE mail = 'pending' AND (
       created_at < now() - interval '${mailedWithinHours} hours'
       OR NOT EXISTS (SELECT FROM users u WHERE u.id = n.owner_id AND u.state = 'active'))`,
  );
  const pending = await sql<Pending>(
    `SELECT n.id, n.owner_id, u.sealed_email, u.sealed_name, ${noticeColumns}
     FROM notifications n JOIN users u ON u.id = n.owner_id ${noticeJoins('')} WHERE n.mail = 'pending'
     -- In turns: an address that takes no mail must not fill every batch with what it did not take.
     ORDER BY row_number() OVER (PARTITION BY n.owner_id ORDER BY n.created_at, n.id), n.created_at, n.id LIMIT ${atOnceMax}`,
  );
  const keyring = await keyringWithin(sql);
  const mails: NoticeMail[] = [];
  for (const each of pending) {
    const to = { name: nameOf(keyring, each.owner_id, each), address: emailOf(keyring, each.owner_id, each) };
    mails.push({ id: each.id, to, ...noticeText(each, keyring, await topOf(sql, each)) });
  }
  return mails;
}

const dayMs = 86_400_000;

/** Who uses most of what is near its limit, since its window began; of what turns every hour or never, a day says most. */
async function topOf(sql: Sql, { kind, data }: Pending) {
  const { quotaId, scope, scopeId = '', meter, window, windowStart } = data;
  const begins = kind === 'quota.threshold' || kind === 'restriction.begun';
  if (!begins || quotaId === null || scope === 'user') return undefined;
  const long = ['day', 'week', 'month'].includes(window ?? '') && windowStart !== undefined;
  const since = long ? new Date(windowStart) : new Date(Date.now() - dayMs);
  return topConsumers(sql, { meter, scope, scopeId, since });
}

export async function markMailed(sql: Sql, id: string): Promise<void> {
  await sql("UPDATE notifications SET mail = 'sent' WHERE id = $1 AND mail = 'pending'", [id]);
}

/** Whether anything waits to be mailed. */
export async function anyPending(sql: Sql): Promise<boolean> {
  const rows = await sql("SELECT FROM notifications WHERE mail = 'pending' LIMIT 1");
  return rows.length > 0;
}
