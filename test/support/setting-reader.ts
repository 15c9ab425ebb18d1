import { loadConfig } from '../../config.ts';
import { useConfig } from '../../models/databases.ts';
import type { Place } from '../../models/scope.ts';
import { processId } from '../../models/setting-lease.ts';
import { settingsOf } from '../../models/tenant/settings.ts';

/** A process of its own that keeps settings in memory and answers, whenever asked, what it would go by. */
useConfig(loadConfig());
process.send?.({ processId });
process.on('message', async (place: Place) => {
  process.send?.({ steps: (await settingsOf(place)).get('runs.maxSteps') });
});
process.once('disconnect', () => process.exit());
