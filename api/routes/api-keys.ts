import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import {
  changeKey,
  createKey,
  keyById,
  keyKinds,
  keyList,
  keyStates,
  revokeKey,
  rotateKey,
} from '../../models/tenant/api-key.ts';
import { key, keyWithToken, maker, perMinute, presentKey, shownKey } from '../api-key.ts';
import { revokeDescendants, shortenDescendants } from '../key-descent.ts';
import { insistOnLive, insistOnOwnHands, rateForKey, rolesForKey } from '../key-rules.ts';
import { etag, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import { changesNothing, changing, id, line, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'API keys';
const params = z.strictObject({ keyId: id('key') });
const once = 'the answer holds a secret, which is not kept';
const overlapSecondsMax = 7 * 86_400;
const overlapSecondsDefault = 86_400;

const future = moment.refine((at) => Date.parse(at) > Date.now(), 'must be in the future');

export const listKeys = tenantRead({
  method: 'get',
  path: '/api-keys',
  tag,
  summary: 'List API keys, newest first',
  permit: ['read', 'ApiKey'],
  query: z.strictObject({
    ...pagingBy('key'),
    owner: id('usr').optional(),
    createdBy: maker.optional().meta({ description: 'The person or the key that made it.' }),
    kind: z.enum(keyKinds).optional(),
    state: z.enum(keyStates).optional(),
  }),
  answers: { 200: page(key) },
  filtered: true,
  load: ({ query, tenantId, visible }) =>
    keyList(tenantId, query, visible, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentKey) }),
});

export const readKey = tenantRead({
  method: 'get',
  path: '/api-keys/:keyId',
  tag,
  summary: 'Read an API key',
  permit: ['read', 'ApiKey'],
  params,
  answers: { 200: key },
  load: ({ params: { keyId }, tenantId }) => keyById(tenantId, keyId),
  handle: ({ row }) => ({ status: 200, body: presentKey(row), headers: etag(row.version) }),
});

export const makeKey = tenantWrite({
  method: 'post',
  path: '/api-keys',
  tag,
  summary: 'Make an API key: one’s own, or one for a service',
  permit: ['create', 'ApiKey'],
  inTurn: true,
  notStored: once,
  body: z.strictObject({
    name: line(100),
    kind: z
      .enum(keyKinds)
      .meta({ description: 'user: belongs to whoever makes it. service: belongs to the organisation.' }),
    roles: z
      .array(line(60))
      .min(1, 'must name at least one role')
      .max(20, 'must have at most 20 roles')
      .refine((all) => new Set(all).size === all.length, 'must not name a role twice')
      .optional()
      .meta({ description: 'A user key without roles follows its owner’s; a service key needs some.' }),
    expiresAt: future.optional().meta({
      description: 'Without it the key is good until it is revoked, or as long as the key it is made with.',
    }),
    requestsPerMinute: perMinute
      .optional()
      .meta({ description: 'What it may ask at most, within the rate of the plan.' }),
  }),
  answers: { 201: keyWithToken },
  makes: ({ body, me }) => (body.kind === 'user' ? { ownerId: me } : {}),
  handle: async ({ tenant, body, ...call }) => {
    const { tenantId, me, principal } = call;
    const roles = await rolesForKey(tenant.sql, body, call);
    const made = await createKey(tenant, tenantId, {
      name: body.name,
      ownerId: body.kind === 'user' ? me : null,
      roles,
      createdBy: principal.id,
      expiresAt: body.expiresAt ? new Date(body.expiresAt) : null,
      requestsPerMinute: rateForKey(body.requestsPerMinute, call.credential),
    });
    const after = await shownKey(tenant, tenantId, made.id);
    return {
      status: 201,
      body: { ...after, token: made.token },
      headers: { ...etag(after.version), Location: `/v1/api-keys/${made.id}` },
      audit: { id: made.id, after },
    };
  },
});

export const updateKey = tenantWrite({
  method: 'patch',
  path: '/api-keys/:keyId',
  tag,
  summary: 'Rename an API key, set its rate, or let it end sooner, and with it those made with it',
  permit: ['update', 'ApiKey'],
  params,
  body: z
    .strictObject({
      name: line(100),
      expiresAt: future,
      requestsPerMinute: perMinute
        .nullable()
        .meta({ description: 'Null: as much as its organisation, or as the key it was made with.' }),
    })
    .partial()
    .refine(changing, changesNothing),
  answers: { 200: key },
  load: ({ params: { keyId }, tenantId }) => forUpdate(keyById(tenantId, keyId)),
  handle: async ({ tenant, tenantId, params: { keyId }, body, row, ...call }) => {
    requireVersion(call, Number(row.version));
    insistOnLive(row, body.expiresAt);
    if (body.requestsPerMinute !== undefined) rateForKey(body.requestsPerMinute, call.credential);
    await changeKey(tenant, keyId, body);
    const { expiresAt } = body;
    if (expiresAt) await shortenDescendants(tenant, keyId, { ...call, tenantId, expiresAt });
    const after = await shownKey(tenant, tenantId, keyId);
    return {
      status: 200,
      body: after,
      headers: etag(after.version),
      audit: { id: keyId, before: presentKey(row), after },
    };
  },
});

export const exchangeKey = tenantWrite({
  method: 'post',
  path: '/api-keys/:keyId/rotation',
  tag,
  summary: 'Exchange an API key’s token; the old one stays good for a while',
  permit: ['rotate', 'ApiKey'],
  notStored: once,
  params,
  body: z.strictObject({
    overlapSeconds: z
      .int()
      .min(0, 'must not be negative')
      .max(overlapSecondsMax, `must be at most ${overlapSecondsMax}, a week`)
      .default(overlapSecondsDefault)
      .meta({ description: 'For how long the old token stays good.' }),
  }),
  answers: { 200: keyWithToken },
  load: ({ params: { keyId }, tenantId }) => forUpdate(keyById(tenantId, keyId)),
  handle: async ({ tenant, params: { keyId }, body, row, ...call }) => {
    const { tenantId } = call;
    requireVersion(call, Number(row.version));
    insistOnLive(row);
    await insistOnOwnHands(tenant.sql, row, call);
    const token = await rotateKey(tenant, tenantId, keyId, body.overlapSeconds);
    const after = await shownKey(tenant, tenantId, keyId);
    return {
      status: 200,
      body: { ...after, token },
      headers: etag(after.version),
      audit: { id: keyId, before: presentKey(row), after },
    };
  },
});

export const revokeApiKey = tenantWrite({
  method: 'delete',
  path: '/api-keys/:keyId',
  tag,
  summary: 'Revoke an API key and those made with it, at once and for good',
  permit: ['revoke', 'ApiKey'],
  params,
  answers: { 204: null },
  load: ({ params: { keyId }, tenantId }) => forUpdate(keyById(tenantId, keyId)),
  handle: async ({ tenant, tenantId, params: { keyId }, row, ...call }) => {
    requireVersion(call, Number(row.version));
    insistOnLive(row);
    await revokeKey(tenant, keyId);
    await revokeDescendants(tenant, keyId, { ...call, tenantId });
    const after = await shownKey(tenant, tenantId, keyId);
    return { status: 204, audit: { id: keyId, before: presentKey(row), after } };
  },
});
