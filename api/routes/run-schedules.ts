import { z } from 'zod';
import { forUpdate, type Row, type Statement } from '../../models/batch.ts';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import type { TenantScope } from '../../models/scope.ts';
import {
  changeSchedule,
  createSchedule,
  removeSchedule,
  scheduleById,
  scheduleList,
} from '../../models/tenant/run-schedule.ts';
import { runOverlaps, targetOf } from '../../policies/run-start.ts';
import { nextTimes, putRunSchedule, removeRunSchedule } from '../../temporal/run-schedules.ts';
import { etag, presentPage } from '../present.ts';
import { type Answer, requireVersion } from '../route.ts';
import { calendarIn, calendarOf, merged, promised, regionOf, traced, withTimes } from '../run-calendar.ts';
import { presentSchedule, schedule, scheduleWithTimes } from '../run-schedule.ts';
import { steered } from '../run-steering.ts';
import { changesNothing, changing, dryRun, id, page, pagingBy } from '../shapes.ts';
import { atMostOneTarget, insistOnTarget, oneTarget, starting, startingChanged } from '../start.ts';
import { tenantRead, tenantWrite } from '../tenant-route.ts';

/**
 * Schedules: runs that start by the calendar, in the name of whoever last said what they start. The row is the tenant's,
 * the times are Temporal's; both are changed before the transaction commits. (docs/triggers.md)
 */
const tag = 'Schedules';
const params = z.strictObject({ scheduleId: id('sch') });
const cron = z.string().max(200, 'must have at most 200 characters');
const zone = z.string().max(64, 'must have at most 64 characters');
const catchUpSeconds = z
  .int()
  .min(10)
  .max(7 * 86_400);
const query = z.strictObject({ dryRun });
type Shown = ReturnType<typeof presentSchedule>;

export const listSchedules = tenantRead({
  method: 'get',
  path: '/run-schedules',
  tag,
  summary: 'List schedules, newest first',
  permit: ['read', 'RunSchedule'],
  query: z.strictObject(pagingBy('sch')),
  answers: { 200: page(schedule) },
  filtered: true,
  load: (given) =>
    scheduleList(given.tenantId, given.visible, { ...given.query, limit: given.query.limit + 1 }),
  handle: async (call) => {
    const keyring = await keyringOf(call.place);
    const body = presentPage(call.rows, call.query.limit, (row) => presentSchedule(keyring, row));
    return { status: 200, body };
  },
});

export const readSchedule = tenantRead({
  method: 'get',
  path: '/run-schedules/:scheduleId',
  tag,
  summary: 'Read a schedule, with the next times it is due',
  permit: ['read', 'RunSchedule'],
  params,
  answers: { 200: scheduleWithTimes },
  load: ({ params: { scheduleId }, tenantId }) => scheduleById(tenantId, scheduleId),
  handle: async ({ row, place, tenantId }) => {
    const shown = presentSchedule(await keyringOf(place), row);
    const which = { tenantId, region: await regionOf(tenantId), scheduleId: shown.id };
    const times = shown.state === 'paused' ? [] : await steered(() => nextTimes(which));
    return { status: 200, body: withTimes(shown, times), headers: etag(row.version) };
  },
});

export const makeSchedule = tenantWrite({
  method: 'post',
  path: '/run-schedules',
  tag,
  summary: 'Start runs by the calendar; a dry run says when they would start',
  permit: ['create', 'RunSchedule'],
  query,
  body: z
    .strictObject({
      ...starting,
      cron,
      zone: zone.default('UTC'),
      overlap: z.enum(runOverlaps).default('skip'),
      catchUpSeconds: catchUpSeconds.default(3_600),
    })
    .refine(oneTarget.holds, oneTarget.detail),
  answers: { 200: scheduleWithTimes, 201: scheduleWithTimes },
  makes: ({ me }) => ({ ownerId: me }),
  handle: async ({ tenant, body, place, tenantId, principal, me, ...call }): Promise<Answer> => {
    const scheduled = { ...body, ...calendarIn(body), target: targetOf(body) };
    await insistOnTarget(runner(tenant), body, { tenantId, ...call });
    const keyring = await keyringOf(place);
    const region = await regionOf(tenantId);
    const id = await createSchedule(tenant.sql, keyring, scheduled, { ownerId: me, principal });
    const after = await shownOf(tenant, keyring, tenantId, id);
    const calendar = calendarOf(after, { tenantId, region });
    const times = await promised(calendar);
    const answer = { body: withTimes(after, times), headers: etag(after.version) };
    if (call.query.dryRun) return { status: 200, unchanged: true, ...answer };
    await steered(() => putRunSchedule(calendar));
    const headers = { ...answer.headers, Location: `/v1/run-schedules/${id}` };
    return { status: 201, ...answer, headers, audit: { id, after: traced(after) } };
  },
});

export const changeScheduleRoute = tenantWrite({
  method: 'patch',
  path: '/run-schedules/:scheduleId',
  tag,
  summary: 'Change a schedule, pause it, or let it go on; a dry run says when runs would start',
  permit: ['update', 'RunSchedule'],
  params,
  query,
  body: z
    .strictObject({
      ...startingChanged,
      cron: cron.optional(),
      zone: zone.optional(),
      overlap: z.enum(runOverlaps).optional(),
      catchUpSeconds: catchUpSeconds.optional(),
    })
    .refine(atMostOneTarget.holds, atMostOneTarget.detail)
    .refine(changing, changesNothing),
  answers: { 200: scheduleWithTimes },
  load: ({ params: { scheduleId }, tenantId }) => forUpdate(scheduleById(tenantId, scheduleId)),
  handle: async ({ tenant, body, place, tenantId, principal, me, row, ...call }): Promise<Answer> => {
    requireVersion(call, Number(row.version));
    const keyring = await keyringOf(place);
    const before = presentSchedule(keyring, row);
    const { name: _name, state: _state, ...what } = body;
    const anew = Object.values(what).some((value) => value !== undefined);
    const next = merged(before, body);
    if (anew) await insistOnTarget(runner(tenant), next.target, { tenantId, ...call });
    const owner = anew ? { ownerId: me, principal } : undefined;
    await changeSchedule(tenant.sql, keyring, before.id, { ...next, owner });
    const after = await shownOf(tenant, keyring, tenantId, before.id);
    const calendar = calendarOf(after, { tenantId, region: await regionOf(tenantId) });
    const times = await promised(calendar);
    const answer = { status: 200, body: withTimes(after, times), headers: etag(after.version) };
    if (call.query.dryRun) return { ...answer, unchanged: true };
    await steered(() => putRunSchedule(calendar));
    return { ...answer, audit: { id: before.id, before: traced(before), after: traced(after) } };
  },
});

export const removeScheduleRoute = tenantWrite({
  method: 'delete',
  path: '/run-schedules/:scheduleId',
  tag,
  summary: 'Remove a schedule; runs it has started go on',
  permit: ['delete', 'RunSchedule'],
  params,
  answers: { 204: null },
  load: ({ params: { scheduleId }, tenantId }) => forUpdate(scheduleById(tenantId, scheduleId)),
  handle: async ({ tenant, params: { scheduleId }, tenantId, row, ...call }) => {
    requireVersion(call, Number(row.version));
    await removeSchedule(tenant.sql, scheduleId);
    const region = await regionOf(tenantId);
    await steered(() => removeRunSchedule({ tenantId, region, scheduleId }));
    return { status: 204, audit: { id: scheduleId, before: { name: row.name, cron: row.cron } } };
  },
});

const runner =
  ({ sql }: TenantScope) =>
  ({ text, values }: Statement) =>
    sql<Row>(text, values);

async function shownOf(tenant: TenantScope, keyring: Keyring, tenantId: string, id: string): Promise<Shown> {
  const [row = {}] = await runner(tenant)(scheduleById(tenantId, id));
  return presentSchedule(keyring, row);
}
