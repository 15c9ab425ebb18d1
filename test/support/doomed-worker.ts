import { loadConfig } from '../../config.ts';
import { useConfig } from '../../models/databases.ts';
import { log } from '../../telemetry.ts';
import { runWorkers } from '../../temporal/worker.ts';
import { doomedAt, faultyParts } from './faults.ts';

/** A worker that will be killed: see `killedAt` in stage.ts. */
const steps = new Map<string, string>(JSON.parse(process.env.FREEHOLD_DOOM ?? '[]'));
const config = loadConfig();
useConfig(config);
log.level = 'fatal';
process.once('disconnect', () => process.exit(1));

const dooms = new Map(
  [...steps].map(([subject, step]) => [
    subject,
    doomedAt(step, () => {
      process.send?.(subject);
      return new Promise(() => {});
    }),
  ]),
);
await runWorkers(
  config,
  faultyParts((subject) => dooms.get(subject)),
);
