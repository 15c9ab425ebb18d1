import type { Row, Statement } from '../batch.ts';
import { newId, schemaOf } from '../ids.ts';
import type { Sql, TenantScope } from '../scope.ts';
import { digest } from '../secrets.ts';
import { newToken } from '../tokens.ts';
import type { Visible } from '../visible.ts';
import { securityPolicyOf } from './security-policy.ts';

/** Sign-in sessions. The token is shown once; only its hash is kept. */
export type Stage = 'full' | 'enrolment';
export type Delivery = 'token' | 'cookie';
export type Session = { id: string; token: string; expiresAt: Date; stage: Stage };

/**
 * How long the token of before stays good once it was exchanged. A browser takes the new cookie by itself, and what the
 * same page asked for meanwhile is answered within a minute. Whoever keeps a token in a variable has to read the header
 * that brings the new one, and gets time to.
 */
const overlapSeconds = { cookie: 60, token: 3_600 };

type Signing = { source: string; userAgent?: string | undefined; delivery?: Delivery };

export async function openSession(
  tenant: TenantScope,
  tenantId: string,
  userId: string,
  { source, userAgent, delivery = 'token' }: Signing,
): Promise<Session> {
  // What has ended is of no use to anybody; here it is the person's own to clear away.
  await tenant.sql(`DELETE FROM sessions s WHERE s.user_id = $1 AND NOT (${live})`, [userId]);
  const token = newToken('ses', tenantId);
  const policy = await securityPolicyOf(tenant.sql);
  const [opened] = await tenant.sql<Omit<Session, 'token'>>(
    `INSERT INTO sessions (id, user_id, token_hash, source, user_agent, delivery, idle_seconds, expires_at, stage)
     SELECT $1, $2, $3, $4, $5, $6, $7, now() + make_interval(hours => $8),
       CASE WHEN $9 AND NOT EXISTS (SELECT FROM second_factors WHERE user_id = $2 AND confirmed_at IS NOT NULL)
       THEN 'enrolment' ELSE 'full' END
     RETURNING id, stage, expires_at AS "expiresAt"`,
    [
      newId('ses'),
      userId,
      digest(token),
      source,
      userAgent?.slice(0, 300) ?? null,
      delivery,
      policy.idleMinutes * 60,
      policy.sessionHours,
      policy.requireSecondFactor,
    ],
  );
  if (!opened) throw new Error('the new session answered no row');
  await tenant.sql('UPDATE users SET last_sign_in_at = now() WHERE id = $1', [userId]);
  return { ...opened, token };
}

/** What makes a new token out of an old one, when the session has to prove itself under a new name. */
export type Exchanged = { token: string; expiresAt: Date; delivery: Delivery };

/** Gives the session a new token at once; the old one is good no more. */
export async function rotateSession(sql: Sql, tenantId: string, id: string): Promise<Exchanged | undefined> {
  const token = newToken('ses', tenantId);
  const [row] = await sql<Omit<Exchanged, 'token'>>(
    `UPDATE sessions SET token_hash = $2, previous_hash = NULL, previous_until = NULL, rotate = false
     WHERE id = $1 RETURNING expires_at AS "expiresAt", delivery`,
    [id, digest(token)],
  );
  return row && { ...row, token };
}

/** The next answer to each of these sessions brings a new token. Called whenever somebody's rights were changed. */
export async function rotateSessionsOf(sql: Sql, userId: string): Promise<void> {
  await sql('UPDATE sessions SET rotate = true WHERE user_id = $1', [userId]);
}

/** The same for everybody who holds a role whose rules have changed. */
export async function rotateSessionsWith(sql: Sql, role: string): Promise<void> {
  await sql(
    'UPDATE sessions SET rotate = true WHERE user_id IN (SELECT principal_id FROM role_assignments WHERE role = $1)',
    [role],
  );
}

/** The exchange that `rotateSessionsOf` asked for; of requests that come at once, one makes it. */
export async function exchangeToken(
  sql: Sql,
  tenantId: string,
  { id, hash }: { id: string; hash: string },
): Promise<Exchanged | undefined> {
  const token = newToken('ses', tenantId);
  const [row] = await sql<Omit<Exchanged, 'token'>>(
    `UPDATE sessions SET token_hash = $3, rotate = false, previous_hash = token_hash,
       previous_until = now() + make_interval(
         secs => CASE delivery WHEN 'cookie' THEN ${overlapSeconds.cookie} ELSE ${overlapSeconds.token} END)
     WHERE id = $1 AND token_hash = $2 AND rotate RETURNING expires_at AS "expiresAt", delivery`,
    [id, hash, digest(token)],
  );
  return row && { ...row, token };
}

/** At most once a minute: what is shown of a session, and what its idle limit counts from. */
export const touchedEverySeconds = 60;

export function touchSession(tenantId: string, id: string): Statement {
  return {
    text: `UPDATE ${schemaOf(tenantId)}.sessions SET last_used_at = now()
           WHERE id = $1 AND last_used_at < now() - make_interval(secs => ${touchedEverySeconds})`,
    values: [id],
  };
}

const columns =
  's.id, s.user_id AS owner_id, s.stage, s.delivery, s.source, s.user_agent, s.created_at, s.last_used_at, s.expires_at';
const live = 's.expires_at > now() AND s.last_used_at + make_interval(secs => s.idle_seconds) > now()';

export function sessionById(tenantId: string, id: string): Statement {
  return {
    text: `SELECT ${columns} FROM ${schemaOf(tenantId)}.sessions s WHERE s.id = $1 AND ${live}`,
    values: [id],
  };
}

export function sessionList(
  tenantId: string,
  userId: string,
  visible: Visible,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Statement {
  const may = visible(4);
  return {
    text: `SELECT * FROM (SELECT ${columns} FROM ${schemaOf(tenantId)}.sessions s WHERE s.user_id = $1 AND ${live}) theirs
           WHERE ($2::text IS NULL OR id < $2) AND ${may.text} ORDER BY id DESC LIMIT $3`,
    values: [userId, cursor ?? null, limit, ...may.values],
  };
}

export async function endSession({ sql }: TenantScope, id: string): Promise<void> {
  await sql('DELETE FROM sessions WHERE id = $1', [id]);
}

/** Ends a person's sessions, all or all but one; answers how many. */
export async function endSessionsOf(sql: Sql, userId: string, exceptId?: string): Promise<number> {
  const ended = await sql<Row>(
    'DELETE FROM sessions WHERE user_id = $1 AND ($2::text IS NULL OR id <> $2) RETURNING id',
    [userId, exceptId ?? null],
  );
  return ended.length;
}

export async function endAllSessions({ sql }: TenantScope): Promise<number> {
  const ended = await sql('DELETE FROM sessions RETURNING id');
  return ended.length;
}

/** Proven with a second factor. What the person has not proven elsewhere has to be proven there anew. */
export async function fullSession(sql: Sql, userId: string, id: string): Promise<void> {
  await sql("UPDATE sessions SET stage = 'full' WHERE id = $1", [id]);
  await sql("DELETE FROM sessions WHERE user_id = $1 AND stage = 'enrolment'", [userId]);
}

const enrolMinutes = 15;

/** Whether the password was given just now, to a session that is good for nothing but setting up a second factor. */
export async function openedToEnrol(sql: Sql, id: string): Promise<boolean> {
  const found = await sql(
    `SELECT id FROM sessions WHERE id = $1 AND stage = 'enrolment'
       AND created_at > now() - make_interval(mins => ${enrolMinutes})`,
    [id],
  );
  return found.length > 0;
}

export async function enrolSessionsOf(sql: Sql, userId: string): Promise<void> {
  await sql("UPDATE sessions SET stage = 'enrolment', rotate = true WHERE user_id = $1", [userId]);
}
