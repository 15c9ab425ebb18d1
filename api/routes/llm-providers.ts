import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { addCredential, endCredentials } from '../../models/tenant/llm-credential.ts';
import {
  changeProvider,
  createProvider,
  type NewProvider,
  providerById,
  providerList,
  providerNow,
  retireProvider,
} from '../../models/tenant/llm-provider.ts';
import { type LlmKind, llmKinds } from '../../policies/llm-provider.ts';
import { changed, llmProvider, presentProvider, written } from '../llm-provider.ts';
import { refuseWhileNamed } from '../llm-provider-removal.ts';
import { credentialFaults, insistOnSound, movedFaults } from '../llm-provider-rules.ts';
import { etag, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import { dryRun, id, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Model providers';
const params = z.strictObject({ llmProviderId: id('llm') });
const path = '/llm-providers/:llmProviderId';

export const listProviders = tenantRead({
  method: 'get',
  path: '/llm-providers',
  tag,
  summary: 'List model providers, newest first; of their credentials the last four characters',
  permit: ['read', 'LlmProvider'],
  query: z.strictObject({
    ...pagingBy('llm'),
    kind: z.enum(llmKinds).optional(),
    region: z.string().max(50).optional(),
  }),
  answers: { 200: page(llmProvider) },
  load: ({ query, tenantId }) =>
    providerList(tenantId, query, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({ status: 200, body: presentPage(rows, query.limit, presentProvider) }),
});

export const readProvider = tenantRead({
  method: 'get',
  path,
  tag,
  summary: 'Read a model provider',
  permit: ['read', 'LlmProvider'],
  params,
  answers: { 200: llmProvider },
  load: ({ params: { llmProviderId }, tenantId }) => providerById(tenantId, llmProviderId),
  handle: ({ row }) => ({ status: 200, body: presentProvider(row), headers: etag(row.version) }),
});

export const makeProvider = tenantWrite({
  method: 'post',
  path: '/llm-providers',
  tag,
  summary: 'Add a model provider',
  permit: ['create', 'LlmProvider'],
  query: z.strictObject({ dryRun }),
  body: written,
  answers: { 201: llmProvider, 200: llmProvider },
  handle: async ({ tenant, tenantId, place, query, body, me }) => {
    const { credential: secret, ...given } = body;
    await insistOnSound(tenant.sql, given, credentialFaults(given, secret));
    const made = await createProvider(tenant, given, me);
    const keyring = await keyringOf(place);
    if (secret !== undefined) await addCredential(tenant.sql, keyring, { providerId: made, secret, by: me });
    const row = await providerNow(tenant, tenantId, made);
    const after = presentProvider(row);
    if (query.dryRun) return { status: 200, body: after, unchanged: true };
    return {
      status: 201,
      body: after,
      headers: { ...etag(row.version), Location: `/v1/llm-providers/${made}` },
      audit: { id: made, after },
    };
  },
});

export const updateProvider = tenantWrite({
  method: 'patch',
  path,
  tag,
  summary: 'Change a model provider; one that moves to another address needs its credential again',
  permit: ['update', 'LlmProvider'],
  params,
  query: z.strictObject({ dryRun }),
  body: changed,
  answers: { 200: llmProvider },
  load: ({ params: { llmProviderId }, tenantId }) => forUpdate(providerById(tenantId, llmProviderId)),
  handle: async ({ tenant, tenantId, place, params: { llmProviderId }, query, body, row, me, ...call }) => {
    requireVersion(call, Number(row.version));
    const before = presentProvider(row);
    const { credential: secret, ...changes } = body;
    const kind = before.kind as LlmKind; // kept by the shape it was made by
    const given = { ...asGiven(before), kind, ...present(changes) };
    const moved = movedFaults({ ...asGiven(before), kind }, given, {
      hasCredential: before.credentials.length > 0,
      credential: secret,
    });
    await insistOnSound(tenant.sql, given, moved);
    await changeProvider(tenant, llmProviderId, given);
    if (secret !== undefined) {
      await endCredentials(tenant.sql, llmProviderId, 0);
      const keyring = await keyringOf(place);
      await addCredential(tenant.sql, keyring, { providerId: llmProviderId, secret, by: me });
    }
    const now = await providerNow(tenant, tenantId, llmProviderId);
    const after = presentProvider(now);
    return {
      status: 200,
      body: after,
      headers: etag(now.version),
      audit: { id: llmProviderId, before, after },
      unchanged: query.dryRun,
    };
  },
});

export const removeProvider = tenantWrite({
  method: 'delete',
  path,
  tag,
  summary: 'Remove a model provider and erase its credentials; whoever names it is led to another',
  permit: ['delete', 'LlmProvider'],
  params,
  query: z.strictObject({
    dryRun,
    handOverTo: id('llm')
      .optional()
      .meta({ description: 'Takes over from it. Needed while a live agent or a setting names it.' }),
  }),
  answers: { 204: null },
  load: ({ params: { llmProviderId }, tenantId }) => forUpdate(providerById(tenantId, llmProviderId)),
  handle: async ({ tenant, place, params: { llmProviderId }, query, row, ...call }) => {
    requireVersion(call, Number(row.version));
    const { handOverTo } = query;
    await refuseWhileNamed(tenant.sql, place, { providerId: llmProviderId, handOverTo });
    await retireProvider(tenant, llmProviderId, handOverTo ?? null);
    return {
      status: 204,
      audit: {
        id: llmProviderId,
        before: presentProvider(row),
        details: { ...(handOverTo && { handOverTo }) },
      },
      unchanged: query.dryRun,
    };
  },
});

/** What was presented, as it is given: every field was written by the shape of the body. */
function asGiven(shown: ReturnType<typeof presentProvider>): Omit<NewProvider, 'kind'> {
  const { name, baseUrl, apiVersion, region, models, aliases, agents, timeoutSeconds, enabled } = shown;
  return {
    name,
    baseUrl,
    apiVersion,
    region,
    models,
    aliases,
    agents,
    timeoutSeconds,
    enabled,
  } as Omit<NewProvider, 'kind'>;
}

/** Only what was sent: an absent field stays as it is. */
function present<T extends object>(body: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // fromEntries forgets the keys' types; filtering removed exactly the undefined ones.
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
