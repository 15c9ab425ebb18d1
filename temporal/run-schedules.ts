import {
  ScheduleAlreadyRunning,
  ScheduleClient,
  ScheduleNotFoundError,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client';
import type { Priority, Workflow } from '@temporalio/common';
import { config } from '../models/databases.ts';
import { newId } from '../models/ids.ts';
import { cronExpressions } from '../policies/cron.ts';
import type { RunOverlap } from '../policies/run-start.ts';
import { type FiringInput, firingWorkflowType, runQueue, runScheduleId } from '../workflows/run-registry.ts';
import { reach, temporal } from './client.ts';
import { tenantPriority } from './priority.ts';
import { runDataConverter, temporalNamespaceOf } from './run-namespace.ts';

/**
 * Calendars of tenants, as Schedules in their region's namespace. They hold ids and the times; what is started, and
 * whether, is read when it is due. Which times a cron comes to is asked of Temporal itself, of a schedule made for the
 * question and removed again, so that what is promised is what will be.
 */
export type RunCalendar = {
  tenantId: string;
  region: string;
  scheduleId: string;
  version: number;
  cron: string;
  zone: string;
  overlap: RunOverlap;
  catchUpSeconds: number;
  paused: boolean;
};
type Which = Pick<RunCalendar, 'tenantId' | 'region' | 'scheduleId'>;
// The client sends a priority along, which its types leave out.
type Schedule = ScheduleOptions<ScheduleOptionsStartWorkflowAction<Workflow> & { priority: Priority }>;

const shownMax = 5;

/** Makes it, or brings it to what is said. */
export async function putRunSchedule(calendar: RunCalendar): Promise<void> {
  const { scheduleId, ...options } = optionsOf(calendar);
  await reach(async () => {
    const client = clientOf(calendar.region);
    try {
      await client.create({ scheduleId, ...options });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.getHandle(scheduleId).update(() => ({ ...options, state: { paused: calendar.paused } }));
    }
  });
}

export async function pauseRunSchedule(which: Which, why: string): Promise<void> {
  await unlessGone(() => handleOf(which).pause(why));
}

export async function removeRunSchedule(which: Which): Promise<void> {
  await unlessGone(() => handleOf(which).delete());
}

/** The next five times, or fewer when the calendar has no more; none while it is paused or unknown to Temporal. */
export async function nextTimes(which: Which): Promise<Date[]> {
  return (await unlessGone(async () => (await handleOf(which).describe()).info.nextActionTimes)) ?? [];
}

/** When it would be due; a calendar that never is has none. */
export async function timesOf(calendar: RunCalendar): Promise<Date[]> {
  const asked = { ...calendar, scheduleId: newId('sch'), paused: true };
  await putRunSchedule(asked);
  try {
    return (await nextTimes(asked)).slice(0, shownMax);
  } finally {
    await removeRunSchedule(asked);
  }
}

function optionsOf(calendar: RunCalendar): Schedule {
  const { tenantId, region, scheduleId, version, cron, zone, overlap, catchUpSeconds, paused } = calendar;
  const input: FiringInput = { tenantId, scheduleId, version };
  const id = runScheduleId(tenantId, scheduleId);
  return {
    scheduleId: id,
    spec: { cronExpressions: cronExpressions(cron), timezone: zone },
    // Whether a run is still under way is asked when it is due; only one at a time may wait for that.
    policies: {
      overlap: overlap === 'wait' ? 'BUFFER_ONE' : 'ALLOW_ALL',
      catchupWindow: `${catchUpSeconds} seconds`,
    },
    state: { paused },
    action: {
      type: 'startWorkflow',
      workflowType: firingWorkflowType,
      workflowId: id,
      taskQueue: runQueue(region),
      args: [input],
      priority: tenantPriority(3, tenantId),
      staticSummary: 'Start a scheduled run',
      workflowRunTimeout: '1 day',
    },
  };
}

const handleOf = ({ tenantId, region, scheduleId }: Which) =>
  clientOf(region).getHandle(runScheduleId(tenantId, scheduleId));

async function unlessGone<T>(act: () => Promise<T>): Promise<T | undefined> {
  return reach(async () => {
    try {
      return await act();
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return undefined;
      throw error;
    }
  });
}

const clientOf = (region: string): ScheduleClient =>
  new ScheduleClient({
    connection: temporal().connection,
    namespace: temporalNamespaceOf(config(), region),
    dataConverter: runDataConverter,
  });
