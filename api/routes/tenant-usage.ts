import { z } from 'zod';
import type { Row } from '../../models/batch.ts';
import type { Place } from '../../models/scope.ts';
import { tenantById } from '../../models/system/tenant.ts';
import { readUsage } from '../../models/tenant/usage-reading.ts';
import { Refusal } from '../../policies/refusal.ts';
import { platformRead } from '../platform-route.ts';
import { id } from '../shapes.ts';
import { servedPlace } from '../tenant-context.ts';
import { presentUsage, tenantUsage } from '../usage.ts';
import { refuseForgotten, seriesQuery, tooManyPoints, usageAsked, wordsOf } from '../usage-query.ts';

const kinds = ['model', 'kind'] as const;
const everything = () => ({ text: 'true', values: [] });

/** Who of its people and which of its agents is the organisation's own affair: operators see meters, kinds and models. */
export const readTenantUsage = platformRead({
  method: 'get',
  path: '/tenants/:tenantId/usage',
  tag: 'Platform usage',
  summary: 'What one organisation used: by meter, in buckets of any zone, by model and kind',
  permit: ['read', 'TenantUsage'],
  params: z.strictObject({ tenantId: id('ten') }),
  query: z.strictObject({ ...seriesQuery, groupBy: wordsOf(kinds, 'What to break it down by') }),
  answers: { 200: tenantUsage },
  load: ({ params: { tenantId } }) => tenantById(tenantId),
  handle: async ({ query, row }) => {
    const place = await meteredPlace(row);
    const asked = usageAsked(query);
    const { now } = asked.period;
    await refuseForgotten(place, { ...asked, now });
    const answer = await readUsage(place, { ...asked, visible: everything, now });
    if (!answer) throw tooManyPoints();
    return { status: 200, body: presentUsage(asked, answer) };
  },
});

/** Before there is a schema, and after there is none, there is no meter. */
export async function meteredPlace({ id: tenantId, state }: Row): Promise<Place> {
  const place = await servedPlace(String(tenantId));
  if (place && (state === 'active' || state === 'suspended')) return place;
  throw new Refusal(
    'not-found',
    'This organisation has no meter: it is not set up yet, or not there any more.',
  );
}
