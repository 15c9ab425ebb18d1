import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import { readInTenant } from '../../models/scope.ts';
import { personById } from '../../models/tenant/person.ts';
import { endSession, endSessionsOf, sessionById, sessionList } from '../../models/tenant/session.ts';
import type { Visible } from '../../models/visible.ts';
import { Refusal } from '../../policies/refusal.ts';
import { insistOnSession } from '../own.ts';
import { iso, presentPage } from '../present.ts';
import { insistOnReach } from '../reach.ts';
import { id, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

/** Where people are signed in: one's own sessions, and for administrators those of others. */
const tag = 'Sessions';

const session = z
  .object({
    id: id('ses'),
    userId: id('usr'),
    stage: z.enum(['full', 'enrolment']),
    delivery: z.enum(['token', 'cookie']),
    source: z.string().nullable().meta({ description: 'The address it was opened from.' }),
    userAgent: z.string().nullable(),
    current: z.boolean().meta({ description: 'The session this request was made with.' }),
    createdAt: moment,
    lastUsedAt: moment,
    expiresAt: moment,
  })
  .meta({ id: 'Session' });

const present = (current: string) => (row: Row) => ({
  id: row.id,
  userId: row.owner_id,
  stage: row.stage,
  delivery: row.delivery,
  source: row.source ?? null,
  userAgent: row.user_agent ?? null,
  current: row.id === current,
  createdAt: iso(row.created_at),
  lastUsedAt: iso(row.last_used_at),
  expiresAt: iso(row.expires_at),
});

const query = z.strictObject(pagingBy('ses'));
const ended = z.object({ ended: z.int() }).meta({ id: 'EndedSessions' });
const ofPerson = z.strictObject({ userId: id('usr') });

/** Sessions of one person differ in nothing a rule could ask about: whoever may read one may read all. */
const all: Visible = () => ({ text: 'true', values: [] });

export const listOwnSessions = tenantRead({
  method: 'get',
  path: '/me/sessions',
  tag,
  summary: 'Where one is signed in, newest first',
  permit: ['read', 'Session'],
  query,
  answers: { 200: page(session) },
  filtered: true,
  load: ({ query, tenantId, me, visible }) =>
    sessionList(tenantId, me, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query, credential }) => ({
    status: 200,
    body: presentPage(rows, query.limit, present(credential.credentialId)),
  }),
});

export const endOwnSession = tenantWrite({
  method: 'delete',
  path: '/me/sessions/:sessionId',
  tag,
  summary: 'End one of one’s own sessions at once',
  permit: ['revoke', 'Session'],
  params: z.strictObject({ sessionId: id('ses') }),
  answers: { 204: null },
  load: ({ params: { sessionId }, tenantId }) => sessionById(tenantId, sessionId),
  handle: async ({ tenant, params: { sessionId }, row, me, principal }) => {
    insistOnSession(principal);
    if (row.owner_id !== me) throw new Refusal('not-found', 'There is nothing at this address.');
    await endSession(tenant, sessionId);
    return { status: 204, audit: { id: sessionId } };
  },
});

export const endOtherSessions = tenantWrite({
  method: 'delete',
  path: '/me/sessions',
  tag,
  summary: 'End all of one’s own sessions but the one this request is made with',
  permit: ['revoke', 'Session'],
  answers: { 200: ended },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant, me, principal, credential }) => {
    insistOnSession(principal);
    const count = await endSessionsOf(tenant.sql, me, credential.credentialId);
    return { status: 200, body: { ended: count }, audit: { details: { sessionsEnded: count } } };
  },
});

export const listSessionsOf = tenantRead({
  method: 'get',
  path: '/users/:userId/sessions',
  tag,
  summary: 'Where a person is signed in, newest first',
  permit: ['read', 'Session'],
  params: ofPerson,
  query,
  answers: { 200: page(session) },
  load: ({ params: { userId }, tenantId }) => personById(tenantId, userId),
  handle: async ({ params: { userId }, query, tenantId, place, credential }) => {
    const { cursor, limit } = query;
    const [rows = []] = await readInTenant(place, [
      sessionList(tenantId, userId, all, { cursor, limit: limit + 1 }),
    ]);
    return { status: 200, body: presentPage(rows, query.limit, present(credential.credentialId)) };
  },
});

export const endSessionsFor = tenantWrite({
  method: 'delete',
  path: '/users/:userId/sessions',
  tag,
  summary: 'Sign a person out everywhere',
  permit: ['revoke', 'Session'],
  params: ofPerson,
  answers: { 200: ended },
  load: ({ params: { userId }, tenantId }) => forUpdate(personById(tenantId, userId)),
  handle: async ({ tenant, params: { userId }, ...acting }) => {
    await insistOnReach(tenant, acting, userId);
    const count = await endSessionsOf(tenant.sql, userId);
    return { status: 200, body: { ended: count }, audit: { details: { userId, sessionsEnded: count } } };
  },
});
