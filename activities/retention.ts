import { tenantsOfRegion } from '../models/system/tenant.ts';
import { applyRetention } from '../models/tenant/apply-retention.ts';
import { log } from '../telemetry.ts';
import { activity, placeFor } from './activity.ts';
import { heavily } from './heavy.ts';

/** A page of a region's tenants, each made to keep what it says it keeps and no more. */
const tenantsAtOnce = 10;

export type Page = { region: string; after: string };
/** Without `next` that was the last page. */
export type Retained = { next?: string; tenants: number; rows: number; failed: number };

export const retainTenants = activity(
  ['retain', 'Platform'],
  ({ region, after }: Page): Promise<Retained> =>
    heavily({ region, work: 'retention', holder: 'apply-retention' }, (insist) =>
      retainPage({ region, after }, insist),
    ),
);

async function retainPage({ region, after }: Page, insist: () => void): Promise<Retained> {
  const tenants = await tenantsOfRegion(region, after, tenantsAtOnce);
  const done = { tenants: tenants.length, rows: 0, failed: 0 };
  for (const tenantId of tenants) {
    insist();
    try {
      done.rows += (await applyRetention(await placeFor(tenantId))).rows;
    } catch (error) {
      // One whose data cannot be deleted now must not keep the others waiting; the next run comes by again.
      done.failed += 1;
      log.error({ tenantId, error: String(error) }, 'retention could not be applied');
    }
  }
  const last = tenants.at(-1);
  return last !== undefined && tenants.length === tenantsAtOnce ? { ...done, next: last } : done;
}
