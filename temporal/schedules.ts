import {
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client';
import type { Priority, Workflow } from '@temporalio/common';
import type { Config } from '../config.ts';
import {
  controlQueue,
  type MeterInput,
  meterId,
  registry,
  retentionId,
  sweepId,
  type WatchInput,
  watchId,
} from '../workflows/registry.ts';
import { openTemporal } from './client.ts';
import { platformPriority } from './priority.ts';

// The client sends a priority along, which its types leave out.
type Schedule = ScheduleOptions<ScheduleOptionsStartWorkflowAction<Workflow> & { priority: Priority }>;

/** Makes the schedules, or brings them to what this version says. */
export async function ensureSchedules(config: Config, say: (done: string) => void): Promise<void> {
  const { client, connection } = openTemporal(config.temporal);
  try {
    for (const { scheduleId, ...schedule } of schedulesOf(config)) {
      try {
        await client.schedule.create({ scheduleId, ...schedule });
        say(`temporal: schedule ${scheduleId}`);
      } catch (error) {
        if (!(error instanceof ScheduleAlreadyRunning)) throw error;
        // Whether an operator has paused it stays as it is.
        await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...schedule, state }));
      }
    }
  } finally {
    await connection.close();
  }
}

function schedulesOf(config: Config): Schedule[] {
  const regions = config.regions.map(({ name }) => name);
  const ofRegions = regions.flatMap((region) => [
    retention(region),
    meter(region, 'minute'),
    meter(region, 'hour'),
  ]);
  return [sweep(config), watch(config), ...ofRegions];
}

/** Often enough for webhooks that were left; what is checked when is written in activities/integration-watch.ts. */
function watch(config: Config): Schedule {
  const { workflowType, title, runTimeout, priorityKey } = registry['watch-integrations'];
  const input: WatchInput = { regions: config.regions.map(({ name }) => name) };
  return {
    scheduleId: watchId,
    spec: { intervals: [{ every: '5 minutes' }] },
    policies: { overlap: 'SKIP', catchupWindow: '1 minute' },
    action: {
      type: 'startWorkflow',
      workflowType,
      workflowId: watchId,
      taskQueue: controlQueue(config.homeRegion),
      args: [input],
      priority: platformPriority(priorityKey),
      staticSummary: title,
      ...(runTimeout && { workflowRunTimeout: runTimeout }),
    },
  };
}

function sweep(config: Config): Schedule {
  return {
    scheduleId: sweepId,
    spec: { intervals: [{ every: '30 seconds' }] },
    // One sweep does what ten missed ones would have done.
    policies: { overlap: 'SKIP', catchupWindow: '30 seconds' },
    action: started('sweep-tenants', sweepId, config.homeRegion),
  };
}

function retention(region: string): Schedule {
  return {
    scheduleId: retentionId(region),
    spec: { intervals: [{ every: '1 hour' }] },
    policies: { overlap: 'SKIP', catchupWindow: '1 hour' },
    action: { ...started('apply-retention', retentionId(region), region), args: [{ region }] },
  };
}

function meter(region: string, every: 'minute' | 'hour'): Schedule {
  const input: MeterInput = { region, hourly: every === 'hour' };
  return {
    scheduleId: meterId(region, every),
    spec: { intervals: [{ every: `1 ${every}` }] },
    policies: { overlap: 'SKIP', catchupWindow: `1 ${every}` },
    action: { ...started('meter-usage', meterId(region, every), region), args: [input] },
  };
}

function started(
  kind: 'sweep-tenants' | 'apply-retention' | 'meter-usage',
  workflowId: string,
  region: string,
): Schedule['action'] {
  const { workflowType, title, runTimeout, priorityKey } = registry[kind];
  return {
    type: 'startWorkflow',
    workflowType,
    workflowId,
    taskQueue: controlQueue(region),
    priority: platformPriority(priorityKey),
    staticSummary: title,
    ...(runTimeout && { workflowRunTimeout: runTimeout }),
  };
}
