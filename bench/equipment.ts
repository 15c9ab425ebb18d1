import { randomBytes } from 'node:crypto';
import { type Config, loadConfig } from '../config.ts';
import { closeDatabases, useConfig } from '../models/databases.ts';
import { log } from '../telemetry.ts';
import { createDatabases, type Settings, settingsFor } from '../test/support/environment.ts';
import { type Equipment, startEquipment } from '../test/support/equipment.ts';
import { runMain } from '../test/support/installation.ts';

/** The parts of the tests, set up as for production: fsync on, room in memory, the log level that is the default. */
const postgresSettings = { fsync: 'on', shared_buffers: '1GB', max_wal_size: '4GB' };
const capacityMax = 5_000;

export type Bench = Equipment & { settings: Settings; config: Config };

export const say = (line: string) => process.stdout.write(`${line}\n`);

/** Starts the parts, migrates, and runs the bench; whatever happens, the parts are stopped. */
export async function withEquipment<T>(act: (bench: Bench) => Promise<T>): Promise<T> {
  say('Starting two Postgres clusters and a Temporal server …');
  const equipment = await startEquipment(() => {}, postgresSettings);
  try {
    const settings = await installed(equipment);
    const config = loadConfig(settings);
    useConfig(config);
    log.level = 'error';
    return await act({ ...equipment, settings, config });
  } finally {
    await closeDatabases();
    await equipment.stop();
  }
}

async function installed({ postgres, temporal, mailbox, demoModels }: Equipment): Promise<Settings> {
  const given = {
    postgres: { eu: postgres.eu.url, us: postgres.us.url },
    temporalAddress: temporal.address,
    mailbox,
    demoModels,
    rootKey: randomBytes(32).toString('base64'),
  };
  const databases = { system: 'freehold_system', eu: 'freehold_eu_1', us: 'freehold_us_1' };
  await createDatabases(given, databases);
  const settings = await settingsFor(given, databases, 'freehold');
  const regions = JSON.parse(settings.FREEHOLD_REGIONS ?? '[]') as Config['regions']; // made by settingsFor
  for (const cell of regions.flatMap((region) => region.cells)) cell.capacity = capacityMax;
  // As in production, where a key is looked up again only now and then.
  const { FREEHOLD_KEY_CACHE_SECONDS: _, ...lasting } = settings;
  const wide = { ...lasting, FREEHOLD_REGIONS: JSON.stringify(regions), FREEHOLD_LOG_LEVEL: 'info' };
  await runMain(['migrate'], wide);
  return wide;
}
