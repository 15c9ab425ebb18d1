import { z } from 'zod';
import { describePerson, lockPersonRow } from '../../models/tenant/person.ts';
import { matching, userById, userList, userStates } from '../../models/tenant/user.ts';
import { etag, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import { line, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { listedUser, presentListedUser, presentUser, shownUser, user, userParams } from '../users.ts';

const tag = 'Users';

export const listUsers = tenantRead({
  method: 'get',
  path: '/users',
  tag,
  summary: 'List people, newest first',
  permit: ['read', 'User'],
  query: z.strictObject({
    ...pagingBy('usr'),
    search: z.string().min(1).max(100).optional().meta({ description: 'Part of a name or e-mail address.' }),
    role: z.string().max(100).optional(),
    state: z.enum(userStates).optional(),
  }),
  answers: { 200: page(listedUser) },
  filtered: true,
  load: ({ query, tenantId, visible }) =>
    userList(tenantId, query, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({
    status: 200,
    body: presentPage(matching(rows, query.search), query.limit, presentListedUser),
  }),
});

export const readUser = tenantRead({
  method: 'get',
  path: '/users/:userId',
  tag,
  summary: 'Read a person: roles, last sign-in, and how much is theirs',
  permit: ['read', 'User'],
  params: userParams,
  answers: { 200: user },
  load: ({ params: { userId }, tenantId }) => userById(tenantId, userId),
  handle: ({ row }) => ({ status: 200, body: presentUser(row), headers: etag(row.version) }),
});

export const changeUser = tenantWrite({
  method: 'patch',
  path: '/users/:userId',
  tag,
  summary: 'Correct what a person is called',
  permit: ['update', 'User'],
  params: userParams,
  body: z.strictObject({ name: line(100) }),
  answers: { 200: user },
  load: ({ params: { userId }, tenantId }) => userById(tenantId, userId),
  handle: async ({ tenant, params: { userId }, body, tenantId, ...call }) => {
    await lockPersonRow(tenant.sql, userId);
    const before = await shownUser(tenant, tenantId, userId);
    requireVersion(call, Number(before.version));
    await describePerson(tenant.sql, userId, { name: body.name });
    const after = await shownUser(tenant, tenantId, userId);
    return { status: 200, body: after, headers: etag(after.version), audit: { id: userId, before, after } };
  },
});
