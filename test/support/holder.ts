import { loadConfig } from '../../config.ts';
import { closeDatabases, useConfig } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import { log } from '../../telemetry.ts';
import { holdMany } from './limited.ts';

/** A process of its own that reserves of a limit, as many at once as it is told to, until it is killed. */
useConfig(loadConfig());
log.level = 'silent';
process.once('disconnect', () => process.exit());
process.on('message', async ({ place, ids }: { place: Place; ids: string[] }) => {
  const granted = await holdMany(place, ids, () => process.send?.('granted'));
  await closeDatabases();
  process.send?.({ granted });
});
