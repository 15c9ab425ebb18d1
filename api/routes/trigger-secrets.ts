import { z } from 'zod';
import { forUpdate } from '../../models/batch.ts';
import { keyringOf } from '../../models/keyring.ts';
import { exchangeTriggerSecret, triggerById } from '../../models/tenant/trigger.ts';
import { etag } from '../present.ts';
import { type Answer, requireVersion } from '../route.ts';
import { id } from '../shapes.ts';
import { tenantWrite } from '../tenant-route.ts';
import { presentTrigger, shownTrigger, tracedTrigger, triggerWithSecret } from '../trigger.ts';

const overlapSecondsMax = 7 * 24 * 3_600;

/** Whoever takes a secret becomes the owner: with it they have things done, and that is in their own name. */
export const exchangeTrigger = tenantWrite({
  method: 'post',
  path: '/triggers/:triggerId/rotation',
  tag: 'Triggers',
  summary: 'Exchange a trigger’s secret; the old one stays good for a while',
  permit: ['update', 'Trigger'],
  notStored: 'the answer holds a secret',
  params: z.strictObject({ triggerId: id('trg') }),
  body: z.strictObject({
    overlapSeconds: z
      .int()
      .min(0, 'must not be negative')
      .max(overlapSecondsMax, `must be at most ${overlapSecondsMax}, a week`)
      .default(24 * 3_600)
      .meta({ description: 'For how long the old secret stays good.' }),
  }),
  answers: { 200: triggerWithSecret },
  load: ({ params: { triggerId }, tenantId }) => forUpdate(triggerById(tenantId, triggerId)),
  handle: async ({ tenant, body, place, tenantId, principal, me, row, ...call }): Promise<Answer> => {
    requireVersion(call, Number(row.version));
    const keyring = await keyringOf(place);
    const before = presentTrigger(keyring, tenantId, row);
    const owner = { ownerId: me, principal };
    const secret = await exchangeTriggerSecret(tenant.sql, keyring, before.id, { ...body, owner });
    const after = await shownTrigger(tenant, keyring, tenantId, before.id);
    return {
      status: 200,
      body: { ...after, secret },
      headers: etag(after.version),
      audit: { id: before.id, before: tracedTrigger(before), after: tracedTrigger(after) },
    };
  },
});
