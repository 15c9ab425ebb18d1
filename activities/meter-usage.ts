import { inTenant, type Place } from '../models/scope.ts';
import { tenantsOfRegion } from '../models/system/tenant.ts';
import { expireReservations } from '../models/tenant/quota-ledger.ts';
import { type UsageDue, usageDue } from '../models/tenant/usage-due.ts';
import { foldUsage } from '../models/tenant/usage-fold.ts';
import { measureUsage } from '../models/tenant/usage-measures.ts';
import { mirrorUsage } from '../models/tenant/usage-mirroring.ts';
import { keepUsagePartitions } from '../models/usage-partitions.ts';
import { log } from '../telemetry.ts';
import { activity, placeFor } from './activity.ts';
import { watchLimits } from './quota-watch.ts';
import { reconcileUsage } from './usage-watch.ts';

/**
 * What the meter does in each tenant, in this order. Each is safe to repeat, and does all there is to do whenever it
 * comes by; one that fails keeps neither the next nor other tenants waiting.
 */
type Task = {
  task: string;
  /** Where it is not always due. */
  due?: keyof UsageDue;
  act: (place: Place) => Promise<unknown>;
};

/** What acts have left, when the process that should have taken it died or the database was away. */
const eachMinute: Task[] = [
  { task: 'fold usage', due: 'fold', act: foldUsage },
  {
    task: 'expire reservations',
    due: 'expire',
    act: (place) => inTenant(place, ({ sql }) => expireReservations(sql)),
  },
  { task: 'watch limits', due: 'watch', act: watchLimits },
];

const eachHour: Task[] = [
  { task: 'measure', act: measureUsage },
  // Before readings of a day that is over may go.
  { task: 'reconcile', act: reconcileUsage },
  { task: 'keep partitions', act: keepUsagePartitions },
  { task: 'mirror usage', act: (place) => mirrorUsage(place) },
  { task: 'watch limits', act: watchLimits },
];

const tenantsAtOnce = 20;
// So that those whose acts are counted keep the connections.
const tasksAtOnce = 4;

export type MeterPage = { region: string; after: string; hourly: boolean };
/** Without `next` that was the last page. */
export type Metered = { next?: string; tenants: number; failed: number };

export const meterTenants = activity(
  ['meter', 'Platform'],
  async ({ region, after, hourly }: MeterPage): Promise<Metered> => {
    const tenants = await tenantsOfRegion(region, after, tenantsAtOnce);
    const left = [...tenants];
    let failed = 0;
    const work = async () => {
      for (let tenantId = left.shift(); tenantId; tenantId = left.shift())
        failed += await meterTenant(tenantId, hourly ? eachHour : eachMinute);
    };
    await Promise.all(Array.from({ length: tasksAtOnce }, work));
    const last = tenants.at(-1);
    const done = { tenants: tenants.length, failed };
    return last !== undefined && tenants.length === tenantsAtOnce ? { ...done, next: last } : done;
  },
);

/** How many tasks could not be done. */
async function meterTenant(tenantId: string, tasks: Task[]): Promise<number> {
  let failed = 0;
  const attempt = async <T>(task: string, act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      failed += 1;
      log.error({ tenantId, task, error: String(error) }, 'the meter could not do one of its tasks');
      return undefined;
    }
  };
  const place = await attempt('find the organisation', () => placeFor(tenantId));
  if (!place) return failed;
  const due = await attempt('look what is due', () => usageDue(place));
  for (const { task, due: only, act } of tasks)
    if (only === undefined || due?.[only]) await attempt(task, () => act(place));
  return failed;
}
