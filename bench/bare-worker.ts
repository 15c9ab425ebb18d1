import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import pg from 'pg';
import type { Place } from '../models/scope.ts';
import { schemaSql } from '../models/tenant-schema.ts';

/** The floor's worker, a process of its own: nothing but Temporal and the bare DDL. */
export type BareInput = { place: Place; steps: number };
type Given = { address: string; namespace: string; taskQueue: string; adminUrl: string };

const activities = (pool: pg.Pool) => ({
  async makeSchema(place: Place): Promise<void> {
    await pool.query(`BEGIN; ${schemaSql(place)} COMMIT`);
  },
  async doNothing(): Promise<void> {},
});
export type BareActivities = ReturnType<typeof activities>;

process.once('message', async ({ address, namespace, taskQueue, adminUrl }: Given) => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address }),
    namespace,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./bare-workflow.ts', import.meta.url)),
    activities: activities(new pg.Pool({ connectionString: adminUrl, max: 4 })),
    maxCachedWorkflows: 200,
  });
  process.send?.('ready');
  await worker.run();
});
