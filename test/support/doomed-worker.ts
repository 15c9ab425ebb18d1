import { loadConfig } from '../../config.ts';
import { useConfig } from '../../models/databases.ts';
import { log } from '../../telemetry.ts';
import { runWorkers } from '../../temporal/worker.ts';
import { at, faultyParts } from './faults.ts';

/** A worker that will be killed: see `killedAt` in stage.ts. */
const steps = new Map<string, string>(JSON.parse(process.env.FREEHOLD_DOOM ?? '[]'));
const config = loadConfig();
useConfig(config);
log.level = 'fatal';
process.once('disconnect', () => process.exit(1));

await runWorkers(
  config,
  faultyParts((subject) =>
    at(steps.get(subject) ?? '', 'after', () => {
      process.send?.(subject);
      return new Promise(() => {});
    }),
  ),
);
