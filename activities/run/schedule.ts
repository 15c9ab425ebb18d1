import { setTimeout as pause } from 'node:timers/promises';
import type { Row } from '../../models/batch.ts';
import { type Keyring, keyringOf } from '../../models/keyring.ts';
import { inTenant, type Place, type Sql } from '../../models/scope.ts';
import { changeRun, holdRun } from '../../models/tenant/held-run.ts';
import {
  type Fired,
  type FiringOutcome,
  firingOf,
  holdSchedule,
  noteFiring,
} from '../../models/tenant/run-firing.ts';
import { openInSchedule, scheduleIds } from '../../models/tenant/run-schedule.ts';
import { Refusal } from '../../policies/refusal.ts';
import { isRunEnded, type RunLabels, runsUnderWay } from '../../policies/run.ts';
import { pauseRunSchedule, removeRunSchedule } from '../../temporal/run-schedules.ts';
import { nudgeRun } from '../../temporal/runs.ts';
import type { FiringInput } from '../../workflows/run-registry.ts';
import { activity, placeFor } from '../activity.ts';
import { beginOwnedRun, ownedBy } from './owned.ts';

/** What happens when a schedule is due. */
type Firing = FiringInput & { fire: string; last: boolean };
type Here = { sql: Sql; keyring: Keyring; place: Place & { region: string }; schedule: Row };

/** A schedule is made in Temporal before its row is committed; a request is given up after 20 s. */
const patienceMs = 20_000;

/** `busy`: it is to wait for a run that is under way. */
export const fireRunSchedule = activity(
  ['start', 'Run'],
  async (firing: Firing): Promise<FiringOutcome | 'busy' | 'gone'> => {
    const place = await placeFor(firing.tenantId);
    const keyring = await keyringOf(place);
    const which = { ...firing, region: place.region };
    for (const deadline = Date.now() + patienceMs; ; await pause(250)) {
      const fired = await inTenant(place, ({ sql }) => fireOnce({ sql, keyring, place }, firing));
      if (fired === 'busy') return 'busy';
      if (fired?.pause) await pauseRunSchedule(which, fired.pause);
      if (fired) return fired.outcome;
      if (Date.now() > deadline) break;
    }
    await removeRunSchedule(which);
    return 'gone';
  },
);

async function fireOnce(at: Omit<Here, 'schedule'>, firing: Firing): Promise<Fired | 'busy' | undefined> {
  const { sql } = at;
  const { scheduleId, fire } = firing;
  const schedule = await holdSchedule(sql, scheduleId);
  if (!schedule) return undefined;
  const before = await firingOf(sql, scheduleId, fire);
  if (before) return { outcome: before };
  const fired = await outcomeOf({ ...at, schedule }, firing);
  if (fired !== 'busy') await noteFiring(sql, scheduleId, fire, fired);
  return fired;
}

async function outcomeOf(here: Here, { last }: Firing): Promise<Fired | 'busy'> {
  const { sql, keyring, schedule } = here;
  if (schedule.state !== 'active')
    return { outcome: 'paused', pause: String(schedule.pause_reason ?? 'paused') };
  if (schedule.tenant_state !== 'active') return { outcome: 'skipped', refusalCode: 'tenant-suspended' };
  const underWay = await runsOf(sql, String(schedule.id));
  if (underWay.length > 0 && schedule.overlap === 'skip') return { outcome: 'skipped' };
  if (underWay.length > 0 && schedule.overlap === 'wait') return last ? { outcome: 'skipped' } : 'busy';
  if (schedule.overlap === 'cancel') for (const runId of underWay) await cancel(here, runId);
  try {
    const runId = await beginOwnedRun(here, {
      ...ownedBy(schedule),
      input: openInSchedule(keyring, 'sealed_input', schedule) as Record<string, unknown>, // sealed by createSchedule
      labels: openInSchedule(keyring, 'sealed_labels', schedule) as RunLabels, // and so are these
      origin: 'schedule',
    });
    return { outcome: 'started', runId };
  } catch (refusal) {
    if (!(refusal instanceof Refusal) || refusal.code === 'unavailable') throw refusal;
    const { code, message } = refusal;
    // It would be refused each time until somebody does something about it.
    return { outcome: 'refused', refusalCode: code, ...(code === 'forbidden' && { pause: message }) };
  }
}

async function runsOf(sql: Sql, scheduleId: string): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    'SELECT id FROM runs WHERE origin_id = $1 AND state = ANY ($2) ORDER BY id',
    [scheduleId, runsUnderWay],
  );
  return rows.map(({ id }) => id);
}

async function cancel({ sql, keyring, place: { tenantId, region } }: Here, runId: string): Promise<void> {
  const run = await holdRun(sql, runId);
  if (!run || isRunEnded(run.state)) return;
  await changeRun(sql, keyring, run, { wanted: 'cancelled' });
  await nudgeRun({ tenantId, region, runId });
}

/** Before a tenant's key goes: what its calendar starts afterwards, no worker could open. */
export async function removeRunSchedules(place: Here['place']): Promise<void> {
  const { tenantId, region } = place;
  const schedules = await inTenant(place, ({ sql }) => scheduleIds(sql));
  for (const { id } of schedules) await removeRunSchedule({ tenantId, region, scheduleId: id });
}
