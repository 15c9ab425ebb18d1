import type { Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql } from '../scope.ts';
import { noticeColumns, noticeJoins } from './notice-facts.ts';

/**
 * What people are told: a row for each of them, in the transaction of what it tells of, so that it is told once and only if
 * it happened. Their mail follows (activities/notice-mail.ts). The data are ids, counts, times and names of meters.
 */
export const noticeKinds = [
  'quota.threshold',
  'quota.resolved',
  'quota.request-decided',
  'quota.request-ended',
  'restriction.begun',
  'restriction.ended',
] as const;
export type NoticeKind = (typeof noticeKinds)[number];

type Datum = string | number | null;

export type Notice = {
  kind: NoticeKind;
  subject: { type: 'Quota' | 'QuotaRequest' | 'UsageRestriction'; id: string };
  data: Record<string, Datum | Record<string, Datum>[]>;
  roles: readonly string[];
  /** Somebody who is told whatever their role is. */
  also?: string | undefined;
};

/** To everybody who is active and has one of the roles; says how many were told. */
export async function tell(sql: Sql, { kind, subject, data, roles, also }: Notice): Promise<number> {
  const told = await sql<{ id: string }>(
    `SELECT u.id FROM users u WHERE u.state = 'active' AND (u.id = $2 OR EXISTS (
       SELECT FROM role_assignments a WHERE a.principal_id = u.id AND a.role = ANY ($1::text[])))`,
    [roles, also ?? null],
  );
  const rows = told.map(({ id }) => ({ id: newId('ntf'), owner: id }));
  await sql(
    `INSERT INTO notifications (id, owner_id, kind, subject_type, subject_id, data)
     SELECT id, owner, $2, $3, $4, $5::jsonb FROM jsonb_to_recordset($1::jsonb) AS n(id text, owner text)`,
    [JSON.stringify(rows), kind, subject.type, subject.id, JSON.stringify(data)],
  );
  return rows.length;
}

const columns = `n.id, n.owner_id, n.subject_type, n.subject_id, n.read_at, n.created_at, ${noticeColumns}`;
const from = (schema: string) => `${schema}.notifications n ${noticeJoins(`${schema}.`)}`;

export type NotificationFilter = { owner: string; unread: boolean; cursor: string | undefined };

/** One's own and nobody else's, whatever roles say: they were written for this person. */
export function notificationList(tenantId: string, filter: NotificationFilter, limit: number): Statement {
  return {
    text: `SELECT ${columns} FROM ${from(schemaOf(tenantId))}
           WHERE n.owner_id = $1 AND ($2 = 'all' OR n.read_at IS NULL) AND ($3::text IS NULL OR n.id < $3)
           ORDER BY n.id DESC LIMIT $4`,
    values: [filter.owner, filter.unread ? 'unread' : 'all', filter.cursor ?? null, limit],
  };
}

export function notificationById(tenantId: string, id: string, owner: string): Statement {
  return {
    text: `SELECT ${columns} FROM ${from(schemaOf(tenantId))} WHERE n.id = $1 AND n.owner_id = $2`,
    values: [id, owner],
  };
}

/** One, or all that are not read yet; says how many were. */
export async function markRead(sql: Sql, owner: string, id: string | null): Promise<number> {
  const marked = await sql(
    `UPDATE notifications SET read_at = now()
     WHERE owner_id = $1 AND read_at IS NULL AND ($2::text IS NULL OR id = $2) RETURNING id`,
    [owner, id],
  );
  return marked.length;
}
