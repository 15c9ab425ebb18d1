import { z } from 'zod';
import { beginOwnedRun, ownedBy } from '../../activities/run/owned.ts';
import { inTenant, readInTenant } from '../../models/scope.ts';
import { openInTrigger, triggerById } from '../../models/tenant/trigger.ts';
import { claimDelivery, deliveryList, settleDelivery } from '../../models/tenant/trigger-delivery.ts';
import type { Json } from '../../policies/expression.ts';
import { inputFor } from '../../policies/message-mapping.ts';
import { Refusal } from '../../policies/refusal.ts';
import type { RunLabels } from '../../policies/run.ts';
import { believed, type Delivery, notBelieved } from '../delivery.ts';
import { presentPage } from '../present.ts';
import { type Answer, parseCall, type Route } from '../route.ts';
import { steered } from '../run-steering.ts';
import { id, page, pagingBy } from '../shapes.ts';
import { tenantRead } from '../tenant-route.ts';
import { refuseGuesser, throttleAddress, throttleTrigger } from '../throttle.ts';
import { addressPattern, delivery, presentDelivery } from '../trigger.ts';

/** Messages to triggers: taken from whoever signs them, each once, and told of to those who may see the trigger. */
const tag = 'Triggers';

const declared = {
  method: 'post',
  path: '/triggers/:triggerId/deliveries',
  tag,
  summary: 'Start a run by a signed message (Standard Webhooks); no credential but the signature',
  notStored: 'a message is taken once by its webhook-id',
  params: z.strictObject({ triggerId: z.string().regex(addressPattern, 'must be the address of a trigger') }),
  body: z.looseObject({}),
  answers: {
    202: z
      .object({ runId: id('run'), duplicate: z.boolean() })
      .meta({ id: 'Delivered', description: 'The run it started, now or when it came first.' }),
  },
} as const;

export const deliver: Route = {
  ...declared,
  scope: 'public',
  serve: async (incoming): Promise<Answer> => {
    const { request, response, source } = incoming;
    await refuseGuesser(response, source);
    const call = parseCall({ ...declared, query: z.strictObject({}) }, incoming);
    const given = await believed(request, call.params.triggerId);
    if (!given) {
      await throttleAddress(response, source, 'guess');
      throw notBelieved();
    }
    incoming.tenantId = given.place.tenantId;
    await throttleTrigger(response, String(given.trigger.id));
    // Whatever JSON holds; the shape above only says that it is an object.
    return taken(given, call.body as Record<string, Json>, call.requestId);
  },
};

/** The run and the note that this message was taken are one transaction. */
async function taken(given: Delivery, body: Record<string, Json>, requestId: string): Promise<Answer> {
  const { place, trigger } = given;
  const outcome = await inTenant(place, async ({ sql }) => {
    const claimed = await claimDelivery(sql, String(trigger.id), given.messageId);
    if (claimed.runId) return { runId: claimed.runId, duplicate: true };
    try {
      const runId = await begun({ ...given, sql }, body, requestId);
      await settleDelivery(sql, { id: claimed.id, runId });
      return { runId, duplicate: false };
    } catch (refusal) {
      // What the sender or the owner can do something about is noted; the sender may send it again.
      if (!(refusal instanceof Refusal) || refusal.code === 'unavailable') throw refusal;
      await settleDelivery(sql, { id: claimed.id, refusalCode: refusal.code });
      return refusal;
    }
  });
  if (outcome instanceof Refusal) throw asTold(outcome);
  return { status: 202, body: outcome };
}

type Beginning = Delivery & { sql: Parameters<Parameters<typeof inTenant>[1]>[0]['sql'] };

function begun(given: Beginning, body: Record<string, Json>, requestId: string): Promise<string> {
  const { sql, keyring, place, trigger } = given;
  if (trigger.tenant_state !== 'active')
    throw new Refusal('tenant-suspended', 'This organisation takes no messages at present.');
  if (trigger.state !== 'active') throw new Refusal('conflict', 'This trigger is paused.');
  const mapping = openInTrigger(keyring, 'sealed_input', trigger) as Record<string, Json>; // sealed by createTrigger
  return steered(() =>
    beginOwnedRun(
      { sql, place },
      {
        ...ownedBy(trigger),
        input: objectOf(inputFor(mapping, { body, message: { id: given.messageId, at: given.at } })),
        labels: openInTrigger(keyring, 'sealed_labels', trigger) as RunLabels, // sealed by createTrigger
        origin: 'trigger',
        requestId,
      },
    ),
  );
}

/** A mapping is an object, and so is what it comes to. */
const objectOf = (value: Json): Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};

/** A sender is told whether sending it again may help, and that the reason is to be had inside. */
function asTold(refusal: Refusal): Refusal {
  const { code } = refusal;
  if (code === 'tenant-suspended' || code === 'rate-limited') return refusal;
  return new Refusal('conflict', 'No run was started; the deliveries of the trigger say why.', {
    cause: refusal,
  });
}

export const listTriggerDeliveries = tenantRead({
  method: 'get',
  path: '/triggers/:triggerId/deliveries',
  tag,
  summary: 'What became of the messages to a trigger, newest first; kept for 72 hours',
  permit: ['read', 'Trigger'],
  params: z.strictObject({ triggerId: id('trg') }),
  query: z.strictObject(pagingBy('dlv')),
  answers: { 200: page(delivery) },
  load: ({ params: { triggerId }, tenantId }) => triggerById(tenantId, triggerId),
  handle: async ({ params: { triggerId }, query, place }) => {
    const asked = { cursor: query.cursor, limit: query.limit + 1 };
    const [rows = []] = await readInTenant(place, [deliveryList(place.tenantId, triggerId, asked)]);
    return { status: 200, body: presentPage(rows, query.limit, presentDelivery) };
  },
});
