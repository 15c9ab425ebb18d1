import { z } from 'zod';
import type { Row } from '../models/batch.ts';
import type { Keyring } from '../models/keyring.ts';
import { firingOutcomes } from '../models/tenant/run-firing.ts';
import { openInSchedule } from '../models/tenant/run-schedule.ts';
import { runOverlaps } from '../policies/run-start.ts';
import { iso } from './present.ts';
import { id, moment } from './shapes.ts';
import { startingShown } from './start.ts';

/** Schedules and their firings as the API shows them. */
export const schedule = z
  .object({
    id: id('sch'),
    ...startingShown,
    cron: z.string(),
    zone: z.string(),
    overlap: z.enum(runOverlaps),
    catchUpSeconds: z.int(),
    lastRunId: id('run').nullable(),
    lastAt: moment.nullable(),
    version: z.int(),
    createdAt: moment,
    updatedAt: moment,
  })
  .meta({ id: 'RunSchedule' });

export const scheduleWithTimes = schedule
  .extend({
    nextTimes: z.array(moment).meta({ description: 'The next five, or fewer when there are no more.' }),
  })
  .meta({ id: 'RunScheduleWithTimes' });

export const firing = z
  .object({
    id: id('fir'),
    outcome: z.enum(firingOutcomes),
    runId: id('run').nullable(),
    refusalCode: z.string().nullable(),
    at: moment,
  })
  .meta({ id: 'RunScheduleFiring' });

export function presentSchedule(keyring: Keyring, row: Row) {
  return {
    id: String(row.id),
    name: String(row.name),
    agentId: row.agent_id ?? null,
    workflowId: row.workflow_id ?? null,
    environment: row.environment === 'draft' ? ('draft' as const) : ('live' as const),
    input: openInSchedule(keyring, 'sealed_input', row),
    labels: openInSchedule(keyring, 'sealed_labels', row),
    ownerId: row.owner_id,
    state: row.state === 'paused' ? ('paused' as const) : ('active' as const),
    pauseReason: row.pause_reason ?? null,
    cron: String(row.cron),
    zone: String(row.zone),
    overlap: String(row.overlap),
    catchUpSeconds: Number(row.catch_up_seconds),
    lastRunId: row.last_run_id ?? null,
    lastAt: iso(row.last_at),
    version: Number(row.version),
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

export function presentFiring(row: Row) {
  return {
    id: String(row.id),
    outcome: row.outcome,
    runId: row.run_id ?? null,
    refusalCode: row.refusal_code ?? null,
    at: iso(row.fired_at),
  };
}
