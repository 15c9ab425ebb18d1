import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { inTenant } from '../../models/scope.ts';
import { placeOf } from '../../models/system/tenant.ts';
import { credentialsOf, integrationById, integrationToUse } from '../../models/tenant/integration.ts';
import { recordCheck } from '../../models/tenant/integration-health.ts';
import { rotateCredential } from '../../models/tenant/integration-state.ts';
import { deliveryById, deliveryList, replayDelivery } from '../../models/tenant/webhook.ts';
import { failedVerdict, webhookEventNames } from '../../policies/integration.ts';
import { Refusal } from '../../policies/refusal.ts';
import { log } from '../../telemetry.ts';
import { wakeWebhooks } from '../../temporal/webhooks.ts';
import {
  insistUnchanged,
  insistWorks,
  integration,
  parseGiven,
  presentIntegration,
  rotated,
  tried,
  validate,
  verdict,
} from '../integration.ts';
import { etag, iso, presentPage } from '../present.ts';
import { requireVersion } from '../route.ts';
import { id, moment, page, pagingBy } from '../shapes.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

const tag = 'Integrations';
const params = z.strictObject({ integrationId: id('int') });

export const checkNow = tenantWrite({
  method: 'post',
  path: '/integrations/:integrationId/checks',
  tag,
  summary: 'Check an integration now, stage by stage; 20 a minute for the whole organisation',
  permit: ['test', 'Integration'],
  params,
  answers: {
    200: z.object({ works: z.boolean(), verdicts: z.array(verdict) }).meta({ id: 'IntegrationCheck' }),
  },
  load: ({ params: asked, tenantId }) => integrationById(tenantId, asked.integrationId),
  prepare: async ({ params: { integrationId }, place, principal, requestId }) => {
    const stored = await inTenant(place, ({ sql }) => integrationToUse(sql, integrationId));
    if (!stored) throw new Refusal('not-found', 'There is no such integration.');
    const { kind, target } = stored;
    const credentials = credentialsOf(await keyringOf(place), stored);
    return tried({ place, principal, requestId, kind, target, credentials, id: integrationId });
  },
  handle: async ({ tenant: { sql }, tenantId, params: { integrationId }, principal, prepared }) => {
    await recordCheck(sql, integrationId, prepared, principal);
    const failed = failedVerdict(prepared.verdicts);
    return {
      status: 200,
      body: { works: !failed, verdicts: prepared.verdicts },
      audit: { id: integrationId, details: { works: !failed, ...(failed && { stage: failed.stage }) } },
      ...(failed && { afterCommit: () => wake(tenantId) }),
    };
  },
});

/** What is not woken now, the watch finds. */
async function wake(tenantId: string): Promise<void> {
  try {
    const place = await placeOf(tenantId);
    if (place) await wakeWebhooks(place);
  } catch (error) {
    log.warn({ tenantId, error: String(error) }, 'webhooks were not woken; the watch will');
  }
}

export const rotateSecret = tenantWrite({
  method: 'post',
  path: '/integrations/:integrationId/secret-rotations',
  tag,
  summary: 'Exchange the credential; of a webhook, the one before goes on signing for a while',
  permit: ['update', 'Integration'],
  params,
  query: z.strictObject({ validate }),
  body: rotated,
  answers: { 200: integration },
  load: ({ params: asked, tenantId }) => forUpdate(integrationById(tenantId, asked.integrationId)),
  prepare: async ({ params: { integrationId }, body, query, place, principal, requestId }) => {
    const stored = await inTenant(place, ({ sql }) => integrationToUse(sql, integrationId));
    if (!stored) throw new Refusal('not-found', 'There is no such integration.');
    const { kind, target } = stored;
    const { credential } = body;
    parseGiven(kind, { target, credential });
    const keyring = await keyringOf(place);
    const overlaps = kind === 'webhook' && body.overlapSeconds > 0;
    const [before] = credentialsOf(keyring, stored);
    // As it will be afterwards: a receiver that knows only the old secret accepts the old signature beside the new.
    const credentials: [string, ...string[]] = overlaps ? [credential, before] : [credential];
    const found = query.validate
      ? await tried({ place, principal, requestId, kind, target, credentials, id: integrationId })
      : undefined;
    if (found) insistWorks(found);
    return { keyring, found, from: stored.version, overlapSeconds: overlaps ? body.overlapSeconds : 0 };
  },
  handle: async ({
    tenant: { sql },
    tenantId,
    params: { integrationId },
    row,
    body,
    principal,
    prepared,
    ...call
  }) => {
    requireVersion(call, Number(row.version));
    const { keyring, found, from, overlapSeconds } = prepared;
    insistUnchanged(row, from);
    await rotateCredential(sql, keyring, integrationId, { ...body, overlapSeconds });
    if (found) await recordCheck(sql, integrationId, found, principal);
    const { text, values } = integrationById(tenantId, integrationId);
    const [after = {}] = await sql<Record<string, unknown>>(text, values);
    return {
      status: 200,
      body: presentIntegration(after),
      headers: etag(after.version),
      audit: { id: integrationId, done: ['rotate', 'Integration'], details: { overlapSeconds } },
    };
  },
});

const delivery = z
  .object({
    id: id('dlv'),
    type: z.enum(webhookEventNames),
    state: z.enum(['pending', 'delivered', 'dead']),
    attempts: z.int(),
    replays: z.int(),
    outcome: z.string().nullable().meta({ description: 'The last status, or how far it came.' }),
    dueAt: moment.nullable(),
    createdAt: moment,
    endedAt: moment.nullable(),
  })
  .meta({ id: 'WebhookDelivery' });

function presentDelivery(row: Record<string, unknown>) {
  const { id: of, type, state, attempts, replays, outcome } = row;
  const times = { dueAt: iso(row.due_at), createdAt: iso(row.created_at), endedAt: iso(row.ended_at) };
  return { id: of, type, state, attempts, replays, outcome, ...times };
}

export const listDeliveries = tenantRead({
  method: 'get',
  path: '/integrations/:integrationId/deliveries',
  tag,
  summary: 'List what was sent to a webhook; state=dead are those that were given up',
  permit: ['read', 'Integration'],
  params,
  query: z.strictObject({
    ...pagingBy('dlv'),
    state: z.enum(['pending', 'delivered', 'dead']).optional(),
  }),
  answers: { 200: page(delivery) },
  load: ({ params: { integrationId }, query, tenantId }) =>
    deliveryList(tenantId, integrationId, query, query.limit + 1),
  handle: ({ rows, query }) => {
    const found = rows
      .filter((row) => row.delivery_id !== null)
      .map((row) => ({ ...row, id: row.delivery_id }));
    return { status: 200, body: presentPage(found, query.limit, presentDelivery) };
  },
});

export const replay = tenantWrite({
  method: 'post',
  path: '/integrations/:integrationId/deliveries/:deliveryId/replay',
  tag,
  summary: 'Send a delivery again, under the same id',
  permit: ['update', 'Integration'],
  params: z.strictObject({ integrationId: id('int'), deliveryId: id('dlv') }),
  answers: { 202: delivery },
  load: ({ params: { integrationId, deliveryId }, tenantId }) =>
    forUpdate(deliveryById(tenantId, integrationId, deliveryId)),
  handle: async ({ tenant: { sql }, tenantId, params: { integrationId, deliveryId }, row }) => {
    if (row.state === 'pending')
      throw new Refusal('conflict', 'It is still on its way; wait for it to be delivered or given up.');
    await replayDelivery(sql, deliveryId);
    const { text, values } = deliveryById(tenantId, integrationId, deliveryId);
    const [after = {}] = await sql<Record<string, unknown>>(text, values);
    return {
      status: 202,
      body: presentDelivery(after),
      audit: { id: integrationId, done: ['retry', 'Integration'], details: { deliveryId } },
      afterCommit: () => wake(tenantId),
    };
  },
});
