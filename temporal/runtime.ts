import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { log } from '../telemetry.ts';

/** The SDK's own lines, in our log; except that an activity failed, of which temporal/failure.ts says more. */
export const temporalLog = new DefaultLogger('WARN', ({ level, message, meta }) => {
  if (message === 'Activity failed') return;
  log[level === 'ERROR' ? 'error' : 'warn']({ ...meta }, message);
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
