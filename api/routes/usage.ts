import { namesOf } from '../../models/tenant/usage-names.ts';
import { readUsage } from '../../models/tenant/usage-reading.ts';
import { visibleTo } from '../../models/visible.ts';
import { tenantRead } from '../tenant-route.ts';
import { inLargeTurn } from '../turns.ts';
import { presentUsage, usage } from '../usage.ts';
import { refuseForgotten, tooManyPoints, usageAsked, usageQuery } from '../usage-query.ts';

const tag = 'Usage';
// A month of hours of every meter is not; a year of them is.
const largeValues = 20_000;

export const listUsage = tenantRead({
  method: 'get',
  path: '/usage',
  tag,
  summary:
    'What was used: by meter, in buckets of any zone, by agent, workflow, run, user, key, model or kind',
  permit: ['read', 'Usage'],
  query: usageQuery,
  answers: { 200: usage },
  withoutKey: true,
  handle: async ({ query, place, rights, ids }) => {
    const asked = usageAsked(query);
    const { now } = asked.period;
    await refuseForgotten(place, { ...asked, now });
    const read = () => readUsage(place, { ...asked, visible: visibleTo(rights, 'Usage', ids), now });
    const isLarge = asked.bounds.length * asked.meters.length > largeValues;
    const answer = await (isLarge ? inLargeTurn(place.tenantId, read) : read());
    if (!answer) throw tooManyPoints();
    const names = await namesOf(
      place,
      { rights, ids },
      answer.series.flatMap(({ of }) => Object.values(of)),
    );
    return { status: 200, body: { ...presentUsage(asked, answer), names } };
  },
});
