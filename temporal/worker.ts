import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Config } from '../config.ts';
import type { Principal } from '../policies/principal.ts';
import { controlQueue, heavyQueue, outsideQueue } from '../workflows/registry.ts';
import { runQueue } from '../workflows/run-registry.ts';
import type { Guard } from './admission.ts';
import { type Bundle, type Bundled, workflowBundle } from './bundle.ts';
import { connectForWork } from './connect.ts';
import { guarded } from './interceptors.ts';
import { production } from './production.ts';
import { runDataConverter, temporalNamespaceOf } from './run-namespace.ts';
import { RunSlots } from './run-slots.ts';
import { installRuntime } from './runtime.ts';

/** What the workers run, and the wall in front of it. Tests put faults around the activities. */
export type WorkerParts = {
  activities: Record<string, (input: never, by: Principal, requestId?: string) => Promise<unknown>>;
  guard: Guard;
};

export type Workers = {
  /** Resolves when all workers poll; that is, waits for as long as Temporal is away. */
  ready: Promise<void>;
  /** Resolves after `shutdown`; rejects when a worker ends by itself. */
  ended: Promise<void>;
  /** In-flight activities finish; what has not begun is left to the next worker. */
  shutdown(): Promise<void>;
};

/** For each region served: `cp.` runs workflows and their control activities, `io.` short calls to the outside, `heavy.` what takes long. */
export async function runWorkers(config: Config, parts: WorkerParts = production): Promise<Workers> {
  installRuntime();
  const stopping = new AbortController();
  const workers: Worker[] = [];
  const ready = Promise.withResolvers<void>();
  const ended = work(config, parts, { workers, stopping: stopping.signal, isReady: ready.resolve });
  ended.then(ready.resolve, ready.reject);
  // Whoever waits for `ended` hears of it; nobody has to wait for `ready`.
  ready.promise.catch(() => {});
  return {
    ready: ready.promise,
    ended,
    shutdown() {
      stopping.abort();
      stop(workers);
      return ended;
    },
  };
}

type Course = { workers: Worker[]; stopping: AbortSignal; isReady: () => void };

async function work(config: Config, parts: WorkerParts, course: Course): Promise<void> {
  const { workers, stopping, isReady } = course;
  const namespaces = [
    config.temporal.namespace,
    ...config.serves.map((region) => temporalNamespaceOf(config, region)),
  ];
  const [connection, control, runs] = await Promise.all([
    connectForWork(config.temporal, namespaces, stopping),
    workflowBundle('control'),
    workflowBundle('runs'),
  ]);
  if (!connection) return;
  const working: Promise<void>[] = [];
  try {
    for (const options of optionsOf(config, parts, connection, { control, runs })) {
      const worker = await Worker.create(options);
      workers.push(worker);
      // At once, for a connection that a worker holds which never ran cannot be closed.
      working.push(worker.run());
      working.at(-1)?.catch(() => {}); // heard below, when all have been created
    }
    if (stopping.aborted) stop(workers);
    isReady();
    await Promise.all(working);
  } finally {
    stop(workers);
    await Promise.allSettled(working);
    await connection.close();
  }
}

function stop(workers: Worker[]): void {
  for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
}

function optionsOf(
  config: Config,
  { activities, guard }: WorkerParts,
  connection: NativeConnection,
  bundles: Record<Bundled, Bundle>,
): WorkerOptions[] {
  const common = {
    connection,
    namespace: config.temporal.namespace,
    activities,
    interceptors: { activity: [guarded(guard)] },
    // Below the 30 s that Kubernetes and systemd wait before they kill.
    shutdownGraceTime: '20 seconds',
    shutdownForceTime: '25 seconds',
    // Heartbeats are held back for up to this; workflows/effects.ts waits 10 s for one.
    maxHeartbeatThrottleInterval: '2 seconds',
    // How long a workflow waits for the worker that had it before any other takes it: each deploy costs this once.
    stickyQueueScheduleToStartTimeout: '3 seconds',
  } satisfies Partial<WorkerOptions>;
  return config.serves.flatMap((region): WorkerOptions[] => {
    const slots = new RunSlots();
    return [
      {
        ...common,
        taskQueue: controlQueue(region),
        workflowBundle: bundles.control,
        // The default, by heap size, is thousands for each worker: enough to run out of memory.
        maxCachedWorkflows: 200,
        // What waits, waits in the server, where tenants take turns; and no more at once than there are connections.
        maxConcurrentActivityTaskExecutions: 16,
      },
      { ...common, taskQueue: outsideQueue(region), maxConcurrentActivityTaskExecutions: 32 },
      { ...common, taskQueue: heavyQueue(region), maxConcurrentActivityTaskExecutions: 2 },
      {
        ...common,
        namespace: temporalNamespaceOf(config, region),
        taskQueue: runQueue(region),
        workflowBundle: bundles.runs,
        dataConverter: runDataConverter,
        // A run that waits is dropped from memory and read again from its history, which is short by design.
        maxCachedWorkflows: 200,
        // Outermost, for admission waits as well.
        interceptors: { activity: [slots.around, ...common.interceptors.activity] },
        tuner: slots.tuner,
      },
    ];
  });
}
