import { placeOf } from '../models/system/tenant.ts';
import type { Scheduled } from '../models/tenant/run-schedule.ts';
import { cronFaults, zoneOf } from '../policies/cron.ts';
import { type Fault, Refusal } from '../policies/refusal.ts';
import type { RunLabels } from '../policies/run.ts';
import { type RunOverlap, targetOf } from '../policies/run-start.ts';
import { type RunCalendar, timesOf } from '../temporal/run-schedules.ts';
import { iso } from './present.ts';
import type { presentSchedule } from './run-schedule.ts';
import { steered } from './run-steering.ts';

/** From what somebody sends to a calendar as Temporal keeps it, and what is told of it. */
type Shown = ReturnType<typeof presentSchedule>;

export async function regionOf(tenantId: string): Promise<string> {
  const place = await placeOf(tenantId);
  if (!place) throw new Error('bug: a tenant that asks has no place');
  return place.region;
}

/** Cron and zone as they are kept, or all that is wrong with them. */
export function calendarIn({ cron: given, zone: named }: { cron: string; zone: string }) {
  const name = zoneOf(named);
  const detail = 'must be the name of a time zone, such as Europe/Berlin or UTC';
  const errors: Fault[] = [
    ...cronFaults(given),
    ...(name ? [] : [{ pointer: '/zone', code: 'zone', detail }]),
  ];
  if (errors.length > 0) throw new Refusal('invalid-request', 'The calendar cannot be read.', { errors });
  return { cron: given.trim().split(/\s+/).join(' '), zone: name ?? named };
}

type Changes = Partial<Omit<Scheduled, 'target'>> & {
  agentId?: string | undefined;
  workflowId?: string | undefined;
  state?: 'active' | 'paused' | undefined;
};

export function merged(before: Shown, body: { [K in keyof Changes]: Changes[K] | undefined }) {
  const { agentId, workflowId, ...rest } = body;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const named = agentId === undefined && workflowId === undefined ? before : { agentId, workflowId };
  const whole = {
    ...before,
    overlap: before.overlap as RunOverlap, // the column's CHECK
    labels: before.labels as RunLabels,
    ...(given as Partial<Omit<Scheduled, 'target'>> & { state?: 'active' | 'paused' }),
    target: targetOf({ agentId: textIn(named.agentId), workflowId: textIn(named.workflowId) }),
  };
  return { ...whole, ...calendarIn(whole) };
}

const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export function calendarOf(shown: Shown, where: { tenantId: string; region: string }): RunCalendar {
  const { id: scheduleId, version, cron: text, zone: name, catchUpSeconds: seconds, state } = shown;
  const overlap = shown.overlap as RunOverlap; // the column's CHECK
  const paused = state === 'paused';
  return { ...where, scheduleId, version, cron: text, zone: name, overlap, catchUpSeconds: seconds, paused };
}

/** The times, as Temporal has them; a calendar without any would be a mistake nobody notices. */
export async function promised(calendar: RunCalendar): Promise<Date[]> {
  const times = await steered(() => timesOf(calendar));
  if (times.length > 0) return times;
  const detail = 'is never due: no such day comes';
  throw new Refusal('unprocessable', 'The calendar has no times.', {
    errors: [{ pointer: '/cron', code: 'never', detail }],
  });
}

export const withTimes = (shown: Shown, times: Date[]) => ({
  ...shown,
  nextTimes: times.slice(0, 5).map(iso),
});

/** What goes to the trail: inputs and labels are sealed where they are kept, so only the rest does. */
export function traced({ input: _input, labels: _labels, ...rest }: Shown) {
  return rest;
}
