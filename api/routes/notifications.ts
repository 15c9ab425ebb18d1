import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import type { Keyring } from '../../models/keyring.ts';
import { noticeText } from '../../models/tenant/notice-facts.ts';
import {
  markRead,
  noticeKinds,
  notificationById,
  notificationList,
} from '../../models/tenant/notification.ts';
import { iso, presentPage } from '../present.ts';
import { id, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

/** What one was told oneself; of a key, what the person was told whose it is. */
const tag = 'Notifications';

const datum = z.union([z.string(), z.number(), z.null()]);
const notification = z
  .object({
    id: id('ntf'),
    kind: z.enum(noticeKinds),
    subject: z.object({ type: z.string(), id: z.string() }),
    title: z.string().meta({ description: 'What happened, in a line.' }),
    text: z
      .string()
      .meta({ description: 'What happened, what happens now and until when, and what can be done.' }),
    data: z.record(z.string(), z.union([datum, z.array(z.record(z.string(), datum))])).meta({
      description: 'The same for programs. `restrictions`: what is restricted with it, or no more.',
    }),
    readAt: moment.nullable(),
    createdAt: moment,
  })
  .meta({ id: 'Notification' });

const presentBy = (keyring: Keyring) => (row: Row) => {
  const { subject: title, text } = noticeText(row, keyring);
  return {
    id: row.id,
    kind: row.kind,
    subject: { type: row.subject_type, id: row.subject_id },
    ...{ title, text },
    data: row.data,
    readAt: iso(row.read_at),
    createdAt: iso(row.created_at),
  };
};

export const listNotifications = tenantRead({
  method: 'get',
  path: '/notifications',
  tag,
  summary: 'What one was told, newest first',
  permit: ['read', 'Notification'],
  query: z.strictObject({
    ...pagingBy('ntf'),
    unread: z.stringbool().default(false).meta({ description: 'Only what is not read yet.' }),
  }),
  answers: { 200: page(notification) },
  filtered: true,
  load: ({ tenantId, me, query: { unread, cursor, limit } }) =>
    notificationList(tenantId, { owner: me, unread, cursor }, limit + 1),
  handle: ({ rows, query, keyring }) => ({
    status: 200,
    body: presentPage(rows, query.limit, presentBy(keyring)),
  }),
});

export const readNotification = tenantWrite({
  method: 'put',
  path: '/notifications/:notificationId/read',
  tag,
  summary: 'Mark as read',
  permit: ['update', 'Notification'],
  params: z.strictObject({ notificationId: id('ntf') }),
  answers: { 200: notification },
  load: ({ tenantId, me, params: { notificationId } }) => notificationById(tenantId, notificationId, me),
  handle: async ({ tenant: { sql }, me, row, keyring }) => {
    await markRead(sql, me, String(row.id));
    const readAt = iso(row.read_at) ?? new Date().toISOString();
    return { status: 200, body: { ...presentBy(keyring)(row), readAt }, audit: { id: String(row.id) } };
  },
});

export const readAllNotifications = tenantWrite({
  method: 'put',
  path: '/notifications/read',
  tag,
  summary: 'Mark everything one was told as read',
  permit: ['update', 'Notification'],
  answers: { 200: z.object({ marked: z.int() }).meta({ id: 'NotificationsRead' }) },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant: { sql }, me }) => {
    const marked = await markRead(sql, me, null);
    return { status: 200, body: { marked }, audit: { details: { marked } } };
  },
});
