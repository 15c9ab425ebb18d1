import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { log } from '../telemetry.ts';

/** Lines of the SDK that say nothing is wrong, or less than temporal/failure.ts has said already. */
const notWorthSaying = [
  'Activity failed',
  // A mirror that was still under way when its workflow closed.
  'Activity not found on completion',
  // The workers of the `io.` queues, by design.
  'No workflows registered',
];

/** The SDK's own lines, in our log. */
const temporalLog = new DefaultLogger('WARN', ({ level, message, meta }) => {
  if (notWorthSaying.some((start) => message.startsWith(start))) return;
  const { error, ...about }: Record<string, unknown> = { ...meta };
  const said = error instanceof Error ? { error: error.stack } : {};
  log[level === 'ERROR' ? 'error' : 'warn']({ ...about, ...said }, message);
});

let installed = false;

/** The native part of the SDK exists once per process and may be set up only once; main.ts handles the signals. */
export function installRuntime(): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: temporalLog,
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
  });
}
