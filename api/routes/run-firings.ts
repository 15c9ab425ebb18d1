import { z } from 'zod';
import { readInTenant } from '../../models/scope.ts';
import { firingList } from '../../models/tenant/run-firing.ts';
import { scheduleById } from '../../models/tenant/run-schedule.ts';
import { presentPage } from '../present.ts';
import { firing, presentFiring } from '../run-schedule.ts';
import { id, page, pagingBy } from '../shapes.ts';
import { tenantRead } from '../tenant-route.ts';

export const listFirings = tenantRead({
  method: 'get',
  path: '/run-schedules/:scheduleId/firings',
  tag: 'Schedules',
  summary: 'What became of each time a schedule was due, newest first; kept for 30 days',
  permit: ['read', 'RunSchedule'],
  params: z.strictObject({ scheduleId: id('sch') }),
  query: z.strictObject(pagingBy('fir')),
  answers: { 200: page(firing) },
  load: ({ params: { scheduleId }, tenantId }) => scheduleById(tenantId, scheduleId),
  handle: async ({ params: { scheduleId }, query: { cursor, limit }, place }) => {
    const statement = firingList(place.tenantId, scheduleId, { cursor, limit: limit + 1 });
    const [rows = []] = await readInTenant(place, [statement]);
    return { status: 200, body: presentPage(rows, limit, presentFiring) };
  },
});
