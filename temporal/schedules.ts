import {
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import type { Config } from '../config.ts';
import { controlQueue, registry, sweepId } from '../workflows/registry.ts';
import { openTemporal } from './client.ts';

type Schedule = ScheduleOptions<ScheduleOptionsStartWorkflowAction<Workflow>>;

/** Makes the schedules, or brings them to what this version says. */
export async function ensureSchedules(config: Config, say: (done: string) => void): Promise<void> {
  const { client, connection } = openTemporal(config.temporal);
  const { scheduleId, ...schedule } = sweep(config);
  try {
    await client.schedule.create({ scheduleId, ...schedule });
    say(`temporal: schedule ${scheduleId}`);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    // Whether an operator has paused it stays as it is.
    await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...schedule, state }));
  } finally {
    await connection.close();
  }
}

function sweep(config: Config): Schedule {
  const { workflowType, title, runTimeout } = registry['sweep-tenants'];
  return {
    scheduleId: sweepId,
    spec: { intervals: [{ every: '30 seconds' }] },
    // One sweep does what ten missed ones would have done.
    policies: { overlap: 'SKIP', catchupWindow: '30 seconds' },
    action: {
      type: 'startWorkflow',
      workflowType,
      workflowId: sweepId,
      taskQueue: controlQueue(config.homeRegion),
      staticSummary: title,
      ...(runTimeout && { workflowRunTimeout: runTimeout }),
    },
  };
}
