import { z } from 'zod';
import { forUpdate, type Row } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { addCredential, endCredentials } from '../../models/tenant/llm-credential.ts';
import { providerById, providerNow, touchProvider } from '../../models/tenant/llm-provider.ts';
import { useList } from '../../models/tenant/llm-use.ts';
import type { LlmKind } from '../../policies/llm-provider.ts';
import { Refusal } from '../../policies/refusal.ts';
import { auditPage } from '../audit-event.ts';
import { llmProvider, llmUse, presentProvider, presentUse, secret } from '../llm-provider.ts';
import { credentialFaults } from '../llm-provider-rules.ts';
import { carryOut, llmTest, modelToTest } from '../llm-provider-test.ts';
import { etag } from '../present.ts';
import { type Route, requireVersion } from '../route.ts';
import { id, line, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';
import { throttleTest } from '../throttle.ts';

const tag = 'Model providers';
const params = z.strictObject({ llmProviderId: id('llm') });
const path = '/llm-providers/:llmProviderId';

const overlapSecondsDefault = 86_400;
const overlapSecondsMax = 30 * 86_400;

export const rotateCredential = tenantWrite({
  method: 'post',
  path: `${path}/credential-rotations`,
  tag,
  summary: 'Exchange the credential: the new one is used at once, the old one stands in for it for a while',
  permit: ['update', 'LlmProvider'],
  params,
  body: z.strictObject({
    credential: secret,
    overlapSeconds: z
      .int()
      .min(0, 'must not be negative')
      .max(overlapSecondsMax, `must be at most ${overlapSecondsMax}, 30 days`)
      .default(overlapSecondsDefault)
      .meta({ description: 'For how long the old one is used where the provider refuses the new one.' }),
  }),
  answers: { 200: llmProvider },
  load: ({ params: { llmProviderId }, tenantId }) => forUpdate(providerById(tenantId, llmProviderId)),
  handle: async ({ tenant, tenantId, place, params: { llmProviderId }, body, row, me, ...call }) => {
    requireVersion(call, Number(row.version));
    refuseFaults(row, body.credential);
    await endCredentials(tenant.sql, llmProviderId, body.overlapSeconds);
    const keyring = await keyringOf(place);
    await addCredential(tenant.sql, keyring, {
      providerId: llmProviderId,
      secret: body.credential,
      by: me,
    });
    await touchProvider(tenant, llmProviderId);
    const now = await providerNow(tenant, tenantId, llmProviderId);
    const after = presentProvider(now);
    return {
      status: 200,
      body: after,
      headers: etag(now.version),
      audit: {
        id: llmProviderId,
        done: ['rotate', 'LlmProvider'],
        before: presentProvider(row),
        after,
      },
    };
  },
});

function refuseFaults({ kind }: Row, credential: string): void {
  // The kind was kept by the shape it was made by.
  const errors = credentialFaults({ kind: kind as LlmKind }, credential);
  if (errors.length > 0)
    throw new Refusal('invalid-request', 'This kind of provider has no credential.', { errors });
}

export const listUses = tenantRead({
  method: 'get',
  path: `${path}/uses`,
  tag,
  summary:
    'Each use of a model provider, newest first: who, which agent and run, which model, how many tokens',
  permit: ['read', 'LlmProvider'],
  params,
  query: z.strictObject({
    ...pagingBy('number'),
    agentId: id('agt').optional(),
    runId: id('run').optional(),
    principalId: z.string().max(100).optional(),
    outcome: z.string().max(50).optional(),
  }),
  answers: { 200: page(llmUse) },
  load: ({ params: { llmProviderId }, query, tenantId }) =>
    useList(tenantId, llmProviderId, query, { cursor: query.cursor, limit: query.limit + 1 }),
  handle: ({ rows, query }) => ({
    status: 200,
    // A provider without uses is one row without a number.
    body: auditPage(
      rows.filter(({ seq }) => seq !== null),
      query.limit,
      presentUse,
    ),
  }),
});

const asked = tenantWrite({
  method: 'post',
  path: `${path}/tests`,
  tag,
  summary: 'Ask a model provider one short question and say how it went',
  permit: ['test', 'LlmProvider'],
  notStored: 'what it says is true of that moment only',
  params,
  body: z.strictObject({
    model: line(200)
      .optional()
      .meta({ description: 'Default: the first of the provider’s models or aliases.' }),
  }),
  answers: { 200: llmTest },
  load: ({ params: { llmProviderId }, tenantId }) => forUpdate(providerById(tenantId, llmProviderId)),
  handle: async ({ tenantId, params: { llmProviderId }, body, row, me }) => {
    await throttleTest(`${tenantId}/${llmProviderId}`);
    const model = modelToTest(row, body.model);
    const test = { providerId: llmProviderId, model, principalId: me };
    return { status: 200, body: test, audit: { id: llmProviderId, details: { model } } };
  },
});

/** Asked, allowed and written down in one transaction; made after it, for no transaction waits for a stranger. */
export const testProvider: Route = {
  ...asked,
  serve: async (incoming) => {
    const { body, ...answer } = await asked.serve(incoming);
    return { ...answer, body: await carryOut(incoming.tenantId, body) };
  },
};
