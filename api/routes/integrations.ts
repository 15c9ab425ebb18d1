import { z } from 'zod';
import { keyringOf } from '../../models/keyring.ts';
import type { Sql } from '../../models/scope.ts';
import { createIntegration, integrationById, integrationList } from '../../models/tenant/integration.ts';
import { integrationKinds } from '../../policies/integration.ts';
import {
  insistWorks,
  integration,
  parseGiven,
  presentIntegration,
  tried,
  validate,
  written,
} from '../integration.ts';
import { etag, presentPage } from '../present.ts';
import type { Answer } from '../route.ts';
import { dryRun, id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Integrations';
const params = z.strictObject({ integrationId: id('int') });
const trying = z.strictObject({ validate, dryRun });

export const listIntegrations = tenantRead({
  method: 'get',
  path: '/integrations',
  tag,
  summary: 'List integrations, newest first; of their secrets the last four characters',
  permit: ['read', 'Integration'],
  query: z.strictObject({
    ...pagingBy('int'),
    kind: z.enum(integrationKinds).optional(),
    state: z.enum(['active', 'unverified', 'failing']).optional(),
  }),
  answers: { 200: page(integration) },
  load: ({ query, tenantId }) => integrationList(tenantId, query, query.limit + 1),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentIntegration) }),
});

export const readIntegration = tenantRead({
  method: 'get',
  path: '/integrations/:integrationId',
  tag,
  summary: 'Read an integration: its state, last check, breaker, and what is about to end',
  permit: ['read', 'Integration'],
  params,
  answers: { 200: integration },
  load: ({ params: { integrationId }, tenantId }) => integrationById(tenantId, integrationId),
  handle: ({ row }) => ({ status: 200, body: presentIntegration(row), headers: etag(row.version) }),
});

export const makeIntegration = tenantWrite({
  method: 'post',
  path: '/integrations',
  tag,
  summary: 'Connect another system; it is tried first, and saved when it works',
  permit: ['create', 'Integration'],
  query: trying,
  body: written,
  answers: { 201: integration, 200: integration },
  prepare: async ({ body, query, place, principal, requestId }) => {
    const { kind, credential } = body;
    const target = parseGiven(kind, body);
    const found = query.validate
      ? await tried({ place, principal, requestId, kind, target, credentials: [credential] })
      : undefined;
    if (found) insistWorks(found);
    return { target, found, keyring: await keyringOf(place) };
  },
  handle: async ({ tenant: { sql }, tenantId, body, query, prepared }): Promise<Answer> => {
    const { target, found, keyring } = prepared;
    const made = await createIntegration(sql, keyring, { ...body, target }, found);
    const shown = await present(sql, tenantId, made);
    if (query.dryRun) return { status: 200, body: shown, unchanged: true };
    return {
      status: 201,
      body: shown,
      headers: { ...etag(shown.version), Location: `/v1/integrations/${made}` },
      audit: {
        id: made,
        after: shown,
        details: { kind: body.kind, name: body.name, validated: query.validate },
      },
    };
  },
});

export async function present(sql: Sql, tenantId: string, of: string) {
  const { text, values } = integrationById(tenantId, of);
  const [row = {}] = await sql<Record<string, unknown>>(text, values);
  return presentIntegration(row);
}
