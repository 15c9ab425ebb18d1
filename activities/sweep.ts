import { config } from '../models/databases.ts';
import { sweepCell } from '../models/intake.ts';
import { forgetRates } from '../models/rate-lease.ts';
import { retireOldVersions } from '../models/resealing.ts';
import { inSystem } from '../models/scope.ts';
import { markChecked, unstartedOperations } from '../models/system/operation.ts';
import { log } from '../telemetry.ts';
import { startOperation } from '../temporal/start.ts';
import { activity } from './activity.ts';

/** What the sweep does: the second path to everything that a crash can leave half done. */
const atOnceMax = 100;

/** Starts what was committed and never started. An operation that runs is left alone by its workflow id. */
export const restartOperations = activity(['sweep', 'Platform'], async () => {
  const found = await unstartedOperations(atOnceMax);
  for (const operation of found) {
    const { operationId, tenantId } = operation;
    try {
      const outcome = await startOperation(operation);
      if (outcome === 'started')
        log.warn({ operationId, tenantId }, 'the sweep started an operation that had been left');
      if (outcome !== 'blocked') await markChecked(operationId);
    } catch (error) {
      // One that cannot be started must not keep the others waiting; the next sweep tries it again.
      log.error({ operationId, tenantId, error: String(error) }, 'the sweep could not start an operation');
    }
  }
  return { looked: found.length };
});

/** Addresses whose time is over, and intakes and effects that no operation will ask for again. */
export const purgeExpired = activity(['sweep', 'Platform'], async () => {
  const open = await inSystem('platform', async ({ sql }) => {
    await sql('DELETE FROM slugs WHERE held_until <= now()');
    return sql<{ id: string }>("SELECT id FROM tenants WHERE state = 'provisioning'");
  });
  const cells = config().regions.flatMap((region) => region.cells);
  for (const cell of cells) {
    await retireOldVersions(cell.name);
    await forgetRates(cell.name);
    await sweepCell(
      cell.name,
      open.map((tenant) => tenant.id),
    );
  }
});
