import { Connection, WorkflowClient } from '@temporalio/client';
import { currentPlan } from '../policies/plans.ts';
import { Refusal } from '../policies/refusal.ts';
import { runDataConverter, temporalNamespaceOf } from '../temporal/run-namespace.ts';
import { startWorker } from '../test/support/installation.ts';
import { operator } from '../test/support/lifecycle.ts';
import { begun, type Runner, runner } from '../test/support/run-stage.ts';
import { makeWorkflow, startOutside } from '../test/support/run-world.ts';
import { runWorkflowId } from '../workflows/run-registry.ts';
import { type Bench, say } from './equipment.ts';
import { interleaved, milliseconds, quantile } from './statistics.ts';
import type { Line } from './table.ts';

/** Two tenants with a run at a time each, beside one that keeps forty under way: twenty times as many as one of them. */
const runsEach = 8;
const noisyAtOnce = 40;
const steps = Array.from({ length: 3 }, (_, at) => ({
  id: `s${at}`,
  kind: 'condition',
  if: 'true',
  after: at === 0 ? [] : [`s${at - 1}`],
}));

function unlessRefused(error: unknown): void {
  if (!(error instanceof Refusal)) throw error;
}

type Workload = { by: Runner; workflowId: string; weight: number };

export async function linesOfRuns(
  { settings, config }: Bench,
  { repetitions }: { repetitions: number },
): Promise<Line[]> {
  const worker = await startWorker({ ...settings, NODE_ENV: 'production' });
  const connection = await Connection.connect({ address: config.temporal.address });
  const outside = await startOutside();
  const client = new WorkflowClient({
    connection,
    namespace: temporalNamespaceOf(config, 'eu'),
    dataConverter: runDataConverter,
  });
  const principal = await operator();
  const workload = async (plan: string): Promise<Workload> => {
    const by = await runner(principal, outside);
    const workflowId = await makeWorkflow(by.tenantId, { steps });
    return { by, workflowId, weight: currentPlan(plan)?.weight ?? 1 };
  };
  const whole = async ({ by, workflowId, weight }: Workload) => {
    const runId = await begun(by, { workflowId }, {}, weight);
    await client.getHandle(runWorkflowId(by.tenantId, runId)).result();
  };
  try {
    const [first, second, noisy] = [await workload('team'), await workload('team'), await workload('team')];
    const quiet = async () => {
      const took: number[] = [];
      const oneByOne = async (load: Workload) => {
        for (let at = 0; at < runsEach; at++) took.push(await milliseconds(() => whole(load)));
      };
      await Promise.all([oneByOne(first), oneByOne(second)]);
      return quantile(took, 0.99);
    };
    const beside = async () => {
      let over = false;
      const loop = async () => {
        // What is refused for there being too many is part of the noise.
        while (!over) await whole(noisy).catch(unlessRefused);
      };
      const noise = Array.from({ length: noisyAtOnce }, loop);
      const value = await quiet();
      over = true;
      await Promise.all(noise);
      return value;
    };
    say(`Two tenants with a run at a time, one with ${noisyAtOnce} …`);
    const turns = Math.max(3, Math.ceil(repetitions / 3));
    const results = await interleaved(
      [
        { name: 'quiet', measure: quiet },
        { name: 'beside', measure: beside },
      ],
      turns,
      1,
    );
    const values = (name: string) => results.get(name) ?? [];
    const floor = values('quiet');
    return [
      { what: 'two quiet tenants’ runs, p99 (floor)', unit: 'ms', values: floor },
      {
        what: `beside one with ${noisyAtOnce} runs at a time`,
        unit: 'ms',
        values: values('beside'),
        floor,
        budget: { atMost: 1.2 },
      },
    ];
  } finally {
    await Promise.all([worker.stop(), outside.stop(), connection.close()]);
  }
}
